//! What a picture consists of.

/// A picture's components, such as its brightness and two colours.
pub(super) struct Frame {
    /// Whether its numbers come in several scans.
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// How many units there are where a scan has several components.
    units: usize,
}

pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks of 8x8 in a unit where a scan has several components, and in the picture.
    pub(super) blocks: usize,
    all: usize,
    /// Of each block the coefficients that are known not to be 0, a bit each; needed by later scans.
    pub(super) nonzero: Vec<u64>,
    /// Whether there was a scan of it.
    pub(super) coded: bool,
}

impl Frame {
    pub(super) fn parse(segment: &[u8], progressive: bool) -> Option<Frame> {
        let (&[_, h0, h1, w0, w1, count], rest) = segment.split_first_chunk()?;
        let size = [[h0, h1], [w0, w1]].map(|side| usize::from(u16::from_be_bytes(side)));
        let own = rest.get(..usize::from(count) * 3)?;
        let samples = |two: u8| [two & 15, two >> 4].map(usize::from);
        let mut most = [1; 2];
        for three in own.chunks_exact(3) {
            let samples = samples(three[1]);
            if samples.iter().any(|samples| !(1..=4).contains(samples)) {
                return None;
            }
            most = [0, 1].map(|axis| most[axis].max(samples[axis]));
        }
        let blocks = |axis: usize, samples: usize| (size[axis] * samples).div_ceil(most[axis] * 8);
        let component = |three: &[u8]| {
            let [down, across] = samples(three[1]);
            let all = blocks(0, down) * blocks(1, across);
            let nonzero = vec![0; if progressive { all } else { 0 }];
            Component { id: three[0], blocks: down * across, all, nonzero, coded: false }
        };
        let components = own.chunks_exact(3).map(component).collect();
        Some(Frame { progressive, components, units: blocks(0, 1) * blocks(1, 1) })
    }

    /// How many units a scan of these components has: blocks of a single one.
    pub(super) fn units(
        &self,
        mut components: impl ExactSizeIterator<Item = usize>,
    ) -> Option<usize> {
        match (components.next()?, components.len()) {
            (only, 0) => Some(self.components[only].all),
            _ => Some(self.units),
        }
    }
}
