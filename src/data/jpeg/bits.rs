//! Coded bits, and Huffman's codes among them.

use super::{Damage, LONG, SHORT};

/// Bits of the codes that are looked up.
const SHORT_CODE: u32 = 8;

/// Bits between two markers, the first that is left in front.
pub(super) struct Bits {
    /// With four more behind them, so that four can always be looked at.
    bytes: Vec<u8>,
    /// Bits that were read, and all.
    at: usize,
    end: usize,
}

impl Bits {
    pub(super) fn new(mut bytes: Vec<u8>) -> Bits {
        let end = bytes.len() * 8;
        bytes.extend([0; 4]);
        Bits { bytes, at: 0, end }
    }

    /// The next 16 bits, zeros behind the last; they stay.
    fn peek(&self) -> u32 {
        let from = self.at / 8;
        let mut four = [0; 4];
        four.copy_from_slice(&self.bytes[from..from + 4]);
        (u32::from_be_bytes(four) << (self.at % 8)) >> 16
    }

    pub(super) fn skip(&mut self, count: u32) -> Result<(), Damage> {
        self.at += count as usize;
        if self.at > self.end { Err(SHORT) } else { Ok(()) }
    }

    /// The next bits as a number, 15 at most.
    pub(super) fn read(&mut self, count: u32) -> Result<u32, Damage> {
        let number = self.peek() >> (16 - count);
        self.skip(count)?;
        Ok(number)
    }

    /// Reads a code, and gives what it stands for.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, Damage> {
        let next = self.peek();
        let (length, value) = table.find(next).ok_or(SHORT)?;
        self.skip(length)?;
        Ok(value)
    }

    /// Whether nothing is left but what fills up the last byte.
    pub(super) fn is_at_end(&self) -> Result<(), Damage> {
        if self.end - self.at < 8 { Ok(()) } else { Err(LONG) }
    }
}

/// A Huffman table.
pub(super) struct Table {
    /// By the next eight bits: length and value of the code that they begin with; 0 where it is longer.
    short: [(u8, u8); 1 << SHORT_CODE],
    /// By length: the code behind the last of that length, and what to add to a code for the place of its value.
    behind: [u32; 17],
    places: [u32; 17],
    values: Vec<u8>,
}

impl Table {
    /// From the numbers of codes of each length from 1 to 16, and the values of all codes in order; none where
    /// these are too many.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Option<Table> {
        let mut short = [(0, 0); 1 << SHORT_CODE];
        let (mut behind, mut places) = ([0; 17], [0; 17]);
        let (mut code, mut place) = (0u32, 0u32);
        for (length, count) in (1..).zip(counts) {
            let count = u32::from(*count);
            if code + count > 1 << length {
                return None;
            }
            places[length as usize] = place.wrapping_sub(code);
            for at in 0..if length <= SHORT_CODE { count } else { 0 } {
                let from = ((code + at) << (SHORT_CODE - length)) as usize;
                let value = *values.get((place + at) as usize)?;
                short[from..from + (1 << (SHORT_CODE - length))].fill((length as u8, value));
            }
            (code, place) = (code + count, place + count);
            behind[length as usize] = code;
            code <<= 1;
        }
        Some(Table { short, behind, places, values: values.to_vec() })
    }

    /// Length and value of the code that these 16 bits begin with.
    fn find(&self, next: u32) -> Option<(u32, u8)> {
        let (length, value) = self.short[(next >> (16 - SHORT_CODE)) as usize];
        if length > 0 {
            return Some((length.into(), value));
        }
        let longer = SHORT_CODE as usize + 1..=16;
        longer.into_iter().find_map(|length| {
            let code = next >> (16 - length);
            let is_one = code < self.behind[length];
            let place = code.wrapping_add(self.places[length]) as usize;
            is_one.then(|| Some((length as u32, *self.values.get(place)?)))?
        })
    }
}
