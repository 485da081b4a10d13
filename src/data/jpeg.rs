//! Whether a JPEG picture is whole. Of one that is cut short or damaged the decoder makes what it can,
//! without a word. So the coded numbers are counted here once more, without making pixels of them: all
//! blocks of the picture must be there, and between markers nothing else.
//!
//! A damage that leaves the stream legal, such as another bit in a number, cannot be noticed: a JPEG has
//! no checksum.

mod bits;
mod blocks;
mod frame;

use self::bits::{Bits, Table};
use self::blocks::{Band, Run};
use self::frame::Frame;

/// What a JPEG begins with.
pub(super) const BEGIN: [u8; 3] = [0xff, 0xd8, 0xff];

/// What is wrong, to stand in brackets.
type Damage = &'static str;

const CUT: Damage = "it ends before its end-of-image marker";
const BAD: Damage = "a segment of its header makes no sense";
const SHORT: Damage = "a part of its coded data is missing or damaged";
const LONG: Damage = "its coded data go on where the picture is complete";

/// The second byte of markers. All but the first four are followed by a segment of a stated length.
const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const ALONE: u8 = 0x01;
const TABLES: u8 = 0xc4;
const INTERVAL: u8 = 0xdd;
const SCAN: u8 = 0xda;

/// Whether the first picture of a file that begins as a JPEG is whole. What follows its end is not looked at.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<(), Damage> {
    let (tables, frame) = (Default::default(), None);
    let mut walk = Walk { bytes, at: 2, tables, interval: 0, frame, exact: false };
    loop {
        let marker = walk.marker()?;
        if marker == END {
            let complete = walk.frame.is_some_and(|frame| frame.components.iter().all(|c| c.coded));
            return if complete { Ok(()) } else { Err(SHORT) };
        }
        if RESTARTS.contains(&marker) || marker == START || marker == ALONE {
            continue;
        }
        let segment = walk.segment()?;
        match marker {
            TABLES => walk.read_tables(segment).ok_or(BAD)?,
            INTERVAL => {
                let bytes = segment.first_chunk().ok_or(BAD)?;
                walk.interval = u16::from_be_bytes(*bytes).into();
            }
            0xc0..=0xc2 => walk.frame = Some(Frame::parse(segment, marker == 0xc2).ok_or(BAD)?),
            SCAN => walk.scan(segment)?,
            _ => {}
        }
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    /// Where the walk stands.
    at: usize,
    /// For the first coefficients of blocks, and for the others.
    tables: [[Option<Table>; 4]; 2],
    /// Units between two restarts; 0 for all.
    interval: usize,
    frame: Option<Frame>,
    /// Whether the next marker must be just here. Before the first scan something may stand between, as
    /// decoders pass over it.
    exact: bool,
}

impl<'a> Walk<'a> {
    /// Goes behind the next marker, and says which it is.
    fn marker(&mut self) -> Result<u8, Damage> {
        let rest = self.bytes.get(self.at..).ok_or(CUT)?;
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff);
        let place = rest.windows(2).position(is_marker).ok_or(CUT)?;
        if self.exact && rest[..place].iter().any(|byte| *byte != 0xff) {
            return Err(SHORT);
        }
        self.at += place + 2;
        Ok(rest[place + 1])
    }

    /// Goes behind the segment that follows, and gives what is in it.
    fn segment(&mut self) -> Result<&'a [u8], Damage> {
        let rest = self.bytes.get(self.at..).ok_or(CUT)?;
        let length = u16::from_be_bytes(*rest.first_chunk().ok_or(CUT)?).into();
        let segment = rest.get(..length).ok_or(CUT)?.get(2..).ok_or(BAD)?;
        self.at += length;
        Ok(segment)
    }

    /// Goes to the next marker, and gives the bits before it: a zero behind each `ff` keeps that from
    /// being one, and is left out.
    fn bits(&mut self) -> Result<Bits, Damage> {
        let mut coded = Vec::new();
        loop {
            let rest = self.bytes.get(self.at..).ok_or(CUT)?;
            let place = rest.iter().position(|byte| *byte == 0xff).ok_or(CUT)?;
            coded.extend_from_slice(&rest[..place]);
            match rest.get(place + 1).ok_or(CUT)? {
                0 => coded.push(0xff),
                _ => break self.at += place,
            }
            self.at += place + 2;
        }
        Ok(Bits::new(coded))
    }

    fn read_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((place, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let count = counts.iter().copied().map(usize::from).sum();
            let (values, rest) = rest.split_at_checked(count)?;
            let place =
                self.tables.get_mut(usize::from(place >> 4))?.get_mut(usize::from(place & 15))?;
            *place = Some(Table::new(counts, values)?);
            segment = rest;
        }
        Some(())
    }

    /// Goes through the coded data of a scan. Where a table is missing (those of video need none) they are
    /// left to the decoder.
    fn scan(&mut self, header: &[u8]) -> Result<(), Damage> {
        let mut frame = self.frame.take().ok_or(BAD)?;
        let (count, rest) = header.split_first().ok_or(BAD)?;
        let (chosen, rest) = rest.split_at_checked(usize::from(*count) * 2).ok_or(BAD)?;
        let band = Band::parse(rest, frame.progressive).ok_or(BAD)?;
        let mut parts = Vec::new();
        for pair in chosen.chunks_exact(2) {
            let component = frame.components.iter().position(|one| one.id == pair[0]).ok_or(BAD)?;
            frame.components[component].coded = true;
            parts.push((component, usize::from(pair[1] >> 4), usize::from(pair[1] & 15)));
        }
        let parts = &parts[..];
        if parts.len() > 1 && frame.progressive && band.needs_others() {
            return Err(BAD);
        }
        let there = |part: &(usize, usize, usize)| {
            let table =
                |kind: usize, at: usize| self.tables[kind].get(at).is_some_and(Option::is_some);
            (!band.needs_first() || table(0, part.1)) && (!band.needs_others() || table(1, part.2))
        };
        self.exact = parts.iter().all(there);
        if !self.exact {
            self.frame = Some(frame);
            return Ok(());
        }
        let units = frame.units(parts.iter().map(|part| part.0)).ok_or(BAD)?;
        let (mut bits, mut run) = (self.bits()?, Run::default());
        for unit in 0..units {
            if self.interval > 0 && unit > 0 && unit % self.interval == 0 {
                run.end(&bits)?;
                if !RESTARTS.contains(&self.marker()?) {
                    return Err(SHORT);
                }
                (bits, run) = (self.bits()?, Run::default());
            }
            for &(component, first, others) in parts {
                let tables = [&self.tables[0][first & 3], &self.tables[1][others & 3]];
                let tables = tables.map(Option::as_ref);
                let component = &mut frame.components[component];
                let blocks = if parts.len() == 1 { 1 } else { component.blocks };
                for _ in 0..blocks {
                    // Only where a component is alone does it matter which block it is.
                    let before = component.nonzero.get_mut(unit);
                    run.block(&mut bits, &band, tables, before)?;
                }
            }
        }
        run.end(&bits)?;
        self.frame = Some(frame);
        Ok(())
    }
}
