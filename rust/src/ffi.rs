// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The only room with `unsafe`. Its door up to C is [`abi`], its door down to the kernel [`sys`]: what the safe system call
//! crates do not offer. Every block says who promised what.
#![allow(unsafe_code)]

pub mod abi;
pub mod sys;
