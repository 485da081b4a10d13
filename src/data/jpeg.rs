//! Whether a JPEG picture was cut short: the decoder makes what it can of such a one, without a word.
//!
//! Its segments are walked to the end-of-image marker (ITU-T T.81, annex B). A damage between that leaves
//! the segments standing cannot be noticed so: a JPEG has no checksum.

/// What a JPEG begins with.
pub(super) const BEGIN: [u8; 3] = [0xff, 0xd8, 0xff];

/// The second byte of markers.
const BEGINNING: u8 = 0xd8;
const END: u8 = 0xd9;

/// Whether the first picture of a file that begins as a JPEG goes on to its end. What follows is not
/// looked at.
///
/// # Errors
///
/// What is wrong, to stand in brackets.
pub(super) fn check(bytes: &[u8]) -> Result<(), &'static str> {
    reaches_end(&bytes[2..]).ok_or("it ends before its end-of-image marker")
}

fn reaches_end(mut rest: &[u8]) -> Option<()> {
    loop {
        // Between a scan's numbers stand ff 00 for the byte ff, and markers of restarts, d0 to d7.
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
        let place = rest.windows(2).position(is_marker)?;
        let (marker, behind) = (rest[place + 1], &rest[place + 2..]);
        match marker {
            END => return Some(()),
            BEGINNING => return None, // of another picture, behind one that was cut short
            0x01 => rest = behind,
            _ => {
                let length = u16::from_be_bytes(*behind.first_chunk()?);
                rest = behind.get(usize::from(length)..)?;
            }
        }
    }
}
