// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Those who exchange what lies in the root, as fast as they can.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;

use rustix::fs::{RenameFlags, renameat, renameat_with};

use crate::arena::{Arena, LAST};

/// Attackers and the hold on them.
pub struct Attack {
    swaps: AtomicU64,
    stopped: AtomicBool,
    /// Each attacker reads it during a swap.
    hold: RwLock<()>,
}

impl Attack {
    pub fn new() -> Attack {
        Attack { swaps: AtomicU64::new(0), stopped: AtomicBool::new(false), hold: RwLock::new(()) }
    }

    /// Three attackers: links take the place of directories in one step, and in several; a directory goes up and down
    /// the tree.
    pub fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, arena: &Arena) {
        let open = |path: &str| File::open(arena.root().join(path)).expect("open");
        let (root, deep) = (open("."), open("a/b"));
        let lower = open("a/b/c");
        scope.spawn(move || {
            self.swap(|number| {
                for (folder, name) in [(&root, "swap"), (&deep, "swap"), (&root, LAST)] {
                    let link = ["up", "abs", "in"][number % 3];
                    let exchange = RenameFlags::EXCHANGE;
                    renameat_with(folder, name, folder, link, exchange)?;
                    renameat_with(folder, name, folder, link, exchange)?;
                }
                Ok(6)
            });
        });
        let root = open(".");
        scope.spawn(move || {
            self.swap(|number| {
                let link = ["slow-up", "slow-abs"][number % 2];
                for (old, new) in [("slow", "aside"), (link, "slow"), ("slow", link), ("aside", "slow")] {
                    renameat(&root, old, &root, new)?;
                }
                Ok(4)
            });
        });
        let root = open(".");
        scope.spawn(move || {
            self.swap(|_| {
                renameat(lower.as_fd(), "deep", &root, "deep")?;
                renameat(&root, "deep", lower.as_fd(), "deep")?;
                Ok(2)
            });
        });
    }

    /// `once` leaves everything in its first place, and answers how often it swapped.
    fn swap(&self, once: impl Fn(usize) -> rustix::io::Result<u64>) {
        let mut number = 0;
        while !self.stopped.load(Ordering::Relaxed) {
            let _held = self.hold.read().expect("hold");
            self.swaps.fetch_add(once(number).expect("swap"), Ordering::Relaxed);
            number += 1;
        }
    }

    /// Does something while nobody swaps.
    pub fn paused<T>(&self, look: impl FnOnce() -> T) -> T {
        let _held = self.hold.write().expect("hold");
        look()
    }

    /// How many swaps were made.
    pub fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }

    /// Ends the attackers.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
