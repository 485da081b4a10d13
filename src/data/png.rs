//! Whether the pixels of a PNG picture are those that were saved: the decoder leaves their own checksum
//! (Adler-32, RFC 1950) alone, and `image` has no switch for it. Those of the chunks it looks at.

use std::io::{Read, copy, sink};

use flate2::read::ZlibDecoder;

/// What a PNG begins with.
pub(super) const BEGIN: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Whether the checksum of the pixels fits, of a file that begins as a PNG and was decoded. Of
/// more than `most` bytes of pixels it is not looked at.
///
/// # Errors
///
/// What is wrong, to stand in brackets.
pub(super) fn check(bytes: &[u8], most: u64) -> Result<(), &'static str> {
    let pixels = ZlibDecoder::new(Parts { rest: &bytes[BEGIN.len()..], part: &[] });
    let whole = copy(&mut pixels.take(most), &mut sink());
    whole.map(drop).map_err(|_| "the checksum of its pixels does not fit, or they end too soon")
}

/// What lies in the chunks `IDAT`, one behind the other.
struct Parts<'a> {
    rest: &'a [u8],
    part: &'a [u8],
}

impl Read for Parts<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.part.is_empty() {
            let Some((kind, content, rest)) = chunk(self.rest) else { return Ok(0) };
            self.rest = rest;
            if kind == b"IDAT" {
                self.part = content;
            }
        }
        self.part.read(buffer)
    }
}

/// The kind and content of the first chunk, and what follows its checksum.
fn chunk(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_at_checked(4)?;
    let (content, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((kind, content, rest.get(4..)?))
}
