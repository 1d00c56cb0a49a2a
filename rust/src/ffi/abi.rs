// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door up: the C interface, one file a class, in the order of the header that is made from them. Comments in
//! here are written for C readers, since they are the header's.
//!
//! An export adopts what it is given, guards against panics, and calls the core; it decides nothing. What C holds of
//! the core is a number in the shape of a pointer, checked at every use ([`handle`]).
#![allow(
    non_camel_case_types,
    clippy::missing_safety_doc,
    reason = "the names are C's, and each comment is for C readers: what a caller promises stands in the header's preamble"
)]

pub mod version;

pub mod objects;

pub mod foreign;

pub mod view;

pub mod crossing;

pub mod error;

pub mod log;

pub mod record;

pub mod privileges;

pub mod common;

pub mod config;

pub mod context;

pub mod operations;

pub mod registry;

pub mod engine;

pub mod methods;

pub mod client;

pub mod launch;

pub mod lifecycle;

mod adapter;
#[cfg(feature = "_fault")]
mod fault;
mod guard;
mod handle;
