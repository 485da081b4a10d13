//! The program as its user meets it: what it prints, what it says of bad input, its exit codes.

#[path = "../common/mod.rs"]
mod common;

mod bad_data;
mod bad_model;
mod cost;
mod devices;
mod measure;
mod profile;
mod say;
mod selftest;
mod terminal;
mod too_large;
mod train;
mod usage;
mod using;
