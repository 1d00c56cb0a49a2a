// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the fuzz targets do with their bytes. The crate's own tests use the same files to replay the corpus.

pub mod client;
pub mod decode;
pub mod differences;
pub mod go;
pub mod oracle;
pub mod session;
pub mod targets;
