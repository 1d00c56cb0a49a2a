// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The headers of net/rpc.

use crate::gob::ByteString;
use crate::gob_struct;

/// A header's texts keep memory for this many bytes from one call to the next.
const KEPT: usize = 1 << 10;

gob_struct! {
    /// Precedes an argument.
    pub struct Request as "Request" {
        /// `NAME.Method`
        pub service_method: ByteString as "ServiceMethod",
        /// Chosen by the client, from 0 on.
        pub seq: u64 as "Seq",
    }
}

gob_struct! {
    /// Precedes a reply.
    pub struct Response as "Response" {
        /// As in the request.
        pub service_method: ByteString as "ServiceMethod",
        /// As in the request.
        pub seq: u64 as "Seq",
        /// Empty: the call succeeded. Otherwise the reply says nothing.
        pub error: ByteString as "Error",
    }
}

impl Request {
    /// Makes room for the next one, whose zeros are not sent.
    pub(crate) fn clear(&mut self) {
        self.service_method.clear(KEPT);
        self.seq = 0;
    }
}

impl Response {
    /// Makes room for the next one, whose zeros are not sent.
    pub(crate) fn clear(&mut self) {
        self.service_method.clear(KEPT);
        self.seq = 0;
        self.error.clear(KEPT);
    }
}
