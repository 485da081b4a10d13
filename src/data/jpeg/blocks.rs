//! The coded numbers of a block of 8x8: 64 coefficients, the first of which is the block's mean.

use super::bits::{Bits, Table};
use super::{Damage, SHORT};

/// Which coefficients a scan brings, and of which bits.
pub(super) struct Band {
    first: u32,
    last: u32,
    /// Whether it brings one more bit of numbers that are known already.
    refines: bool,
}

impl Band {
    /// From the end of a scan's header.
    pub(super) fn parse(header: &[u8], progressive: bool) -> Option<Band> {
        let &[first, last, bits] = header.first_chunk()?;
        match progressive {
            // All at once, whatever stands there.
            false => Some(Band { first: 0, last: 63, refines: false }),
            true if first > last || last > 63 || (first == 0 && last > 0) => None,
            true => Some(Band { first: first.into(), last: last.into(), refines: bits >> 4 > 0 }),
        }
    }

    /// Whether a table for the first coefficients is needed.
    pub(super) fn needs_first(&self) -> bool {
        self.first == 0 && !self.refines
    }

    /// Whether a table for the others is needed.
    pub(super) fn needs_others(&self) -> bool {
        self.last > 0
    }
}

/// Blocks from here on in which nothing more comes.
#[derive(Default)]
pub(super) struct Run(u32);

impl Run {
    /// Whether nothing is left, of the blocks or of the bits.
    pub(super) fn end(&self, bits: &Bits) -> Result<(), Damage> {
        if self.0 > 0 { Err(SHORT) } else { bits.is_at_end() }
    }

    /// Goes behind the numbers of one block. `nonzero` are those of its coefficients that are not 0 so far.
    pub(super) fn block(
        &mut self,
        bits: &mut Bits,
        band: &Band,
        [first, others]: [Option<&Table>; 2],
        nonzero: Option<&mut u64>,
    ) -> Result<(), Damage> {
        if band.first == 0 {
            match first.filter(|_| !band.refines) {
                Some(table) => {
                    let length = bits.symbol(table)?;
                    skip_number(bits, length)?;
                }
                None => bits.skip(1)?,
            }
        }
        let Some(table) = others.filter(|_| band.last > 0) else { return Ok(()) };
        match (nonzero, band.refines) {
            (Some(nonzero), true) => self.refine(bits, band, table, nonzero),
            (nonzero, _) => self.begin(bits, band, table, nonzero.unwrap_or(&mut 0)),
        }
    }

    /// Coefficients of which nothing is known: how many zeros are before one, and of how many bits it is.
    fn begin(
        &mut self,
        bits: &mut Bits,
        band: &Band,
        table: &Table,
        nonzero: &mut u64,
    ) -> Result<(), Damage> {
        if self.0 > 0 {
            self.0 -= 1;
            return Ok(());
        }
        let mut at = band.first.max(1);
        while at <= band.last {
            let symbol = bits.symbol(table)?;
            let (zeros, length) = (u32::from(symbol >> 4), symbol & 15);
            at += zeros;
            match length {
                0 if zeros < 15 => {
                    self.0 = run(bits, zeros)? - 1;
                    return Ok(());
                }
                0 => {}
                _ if at > band.last => return Err(SHORT),
                _ => {
                    skip_number(bits, length)?;
                    *nonzero |= 1 << at;
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// One more bit: for each that is not 0 already, and between these which become so.
    fn refine(
        &mut self,
        bits: &mut Bits,
        band: &Band,
        table: &Table,
        nonzero: &mut u64,
    ) -> Result<(), Damage> {
        let mut at = band.first.max(1);
        while self.0 == 0 && at <= band.last {
            let symbol = bits.symbol(table)?;
            let (mut zeros, length) = (u32::from(symbol >> 4), symbol & 15);
            match length {
                0 if zeros < 15 => {
                    self.0 = run(bits, zeros)?;
                    break;
                }
                0 => {}
                // Its sign.
                _ => bits.skip(1)?,
            }
            while at <= band.last {
                if *nonzero >> at & 1 == 1 {
                    bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                at += 1;
            }
            if length > 0 {
                if at > band.last {
                    return Err(SHORT);
                }
                *nonzero |= 1 << at;
            }
            at += 1;
        }
        if self.0 > 0 {
            self.0 -= 1;
            let known = (at..=band.last).filter(|at| *nonzero >> at & 1 == 1).count();
            bits.skip(known as u32)?;
        }
        Ok(())
    }
}

/// How many blocks have nothing more, this one included: of so many bits, the first of which is 1.
fn run(bits: &mut Bits, length: u32) -> Result<u32, Damage> {
    Ok((1 << length) + if length == 0 { 0 } else { bits.read(length)? })
}

/// A number of so many bits. None has more than 15.
fn skip_number(bits: &mut Bits, length: u8) -> Result<(), Damage> {
    if length > 15 { Err(SHORT) } else { bits.skip(length.into()) }
}
