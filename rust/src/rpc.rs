// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go's net/rpc with gob over one Unix stream socket: server, client, and the methods that the core brings.
//!
//! A request is a [`Request`](wire::Request) and its argument, an answer a [`Response`](wire::Response) and the reply.
//! Both go through one gob stream each way.

mod argument;
pub mod beneath;
pub mod builtin;
pub mod client;
pub mod json;
mod link;
pub mod owed;
pub mod server;
pub mod service;
pub mod stream;
pub mod wire;

pub use argument::argument_type;
pub use client::Client;
pub use json::json_method;
pub use owed::Owed;
pub use server::{Call, Observer, serve};
pub use service::{Method, MethodSet, Reply, Service};
pub use stream::{gob_method, later_gob_method};
