// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The only room with `unsafe`. Its door down to the kernel is [`sys`]: what the safe system call
//! crates do not offer. Every block says who promised what.
#![allow(unsafe_code)]

pub mod sys;
