//! The program as its user meets it: what it prints, what it says of bad input, its exit codes.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/events.rs"]
mod events;
#[allow(dead_code)] // its `main`
#[path = "../../examples/shapes.rs"]
mod shapes;

mod bad_data;
mod bad_model;
mod checked;
mod cost;
mod devices;
mod export;
mod folder;
mod import;
mod inspect;
mod measure;
mod networks;
#[cfg(unix)]
mod pipes;
mod profile;
mod report;
mod resumed;
mod say;
mod selftest;
mod sets;
mod terminal;
mod too_large;
mod train;
mod transfer;
mod usage;
mod using;
