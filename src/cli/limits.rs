//! What the adapter can do at most: measured once, then remembered.

use super::{Failure, Global, LOADED, STORED, say, warn_once, while_saying};
use crate::ceiling::Ceiling;
use crate::gpu::Gpu;
use crate::tune::Cache;

impl Global {
    /// The adapter's limits as the cache remembers them, else measured, and said on stderr. `anew`
    /// measures all the same, and of both keeps the higher. `--no-tune` leaves the cache alone.
    pub(super) fn ceiling(&self, gpu: Gpu, anew: bool) -> Result<(Ceiling, Gpu), Failure> {
        let cache = Cache::of_user(&gpu.facts).filter(|_| !self.no_tune);
        let known = cache.as_ref().map_or(Ok(None), Cache::ceiling).unwrap_or_else(|why| {
            warn_once(&LOADED, &why);
            None
        });
        if let Some(known) = known.filter(|_| !anew) {
            say(&format!("limits measured before: {}", rates(&known)));
            return Ok((known, gpu));
        }
        let measure = || Ceiling::measure(gpu);
        let (measured, gpu) = while_saying("measuring the adapter's limits", measure)?;
        say(&format!("limits measured: {}", rates(&measured)));
        let ceiling = known.map_or(measured, |known| known.highest(measured));
        if ceiling != measured {
            say(&format!("limits ever measured: {}", rates(&ceiling)));
        }
        if let Some(Err(why)) = cache.map(|cache| cache.store_ceiling(ceiling)) {
            warn_once(&STORED, &why);
        }
        Ok((ceiling, gpu))
    }
}

fn rates(ceiling: &Ceiling) -> String {
    let (flop, bytes) = (ceiling.flop_per_second * 1e-9, ceiling.bytes_per_second * 1e-9);
    format!("{flop:.0} GFLOP/s in registers, {bytes:.1} GB/s from and to memory")
}
