// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One process of a run, any of them, is killed at any moment: nothing is left, CleanupHost has run once after the
//! container's end, and the caller sees it.
//!
//! `PINION_KILLS` runs for each flow, of the starter with the probe's engine and of `pinion` itself. `PINION_SEED` repeats
//! the draws of an earlier time; what they hit also hangs on how fast the machine is.

mod common;
#[path = "killed/observer.rs"]
#[allow(dead_code, reason = "the tests of kill points need more of it")]
mod observer;
#[path = "random_kills/pinion.rs"]
mod pinion_itself;
#[path = "random_kills/probe.rs"]
mod probe;
#[path = "instances/world.rs"]
mod world;

use std::time::Duration;

/// What the program of a run ends with if nobody kills it.
const CODE: i32 = 7;

/// Runs for each flow.
fn kills() -> u32 {
    std::env::var("PINION_KILLS").map_or(10, |text| text.parse().expect("a number"))
}

/// Draws numbers: xorshift, which is enough to spread moments.
struct Draws(u64);

impl Draws {
    /// One sequence for each flow. The seed is printed: the environment can give it again.
    fn of(flow: &str) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let fresh = || u64::from(now.subsec_nanos()) | 1;
        let seed = std::env::var("PINION_SEED").map_or_else(|_| fresh(), |text| text.parse().expect("a number"));
        println!("{flow}: PINION_SEED={seed}");
        let mixed = flow.bytes().fold(seed, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Draws(mixed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 1).expect("63 bits") % limit
    }
}

/// Moments that spread over the whole of a run, however many have been drawn.
struct Moments {
    /// How long a run takes, as far as is known: others that use the machine make it longer and shorter.
    span: Duration,
    fraction: f64,
}

impl Moments {
    fn of(clean: Duration, draws: &mut Draws) -> Self {
        Moments { span: clean, fraction: draws.below(1_000_000) as f64 / 1_000_000.0 }
    }

    fn next(&mut self) -> Duration {
        // Steps of the golden ratio fill the interval evenly.
        self.fraction = (self.fraction + 0.618_034) % 1.0;
        self.span.mul_f64(self.fraction)
    }

    /// Whether there was anybody to kill.
    fn learn(&mut self, moment: Duration, hit: bool) {
        if !hit {
            self.span -= self.span.saturating_sub(moment) / 4;
        } else if moment > self.span.mul_f64(0.9) {
            self.span = self.span.mul_f64(1.1);
        }
    }
}
