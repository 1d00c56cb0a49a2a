// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Encoding and decoding the arguments of one Mount, as `codec` in the Go program does.

use std::hint::black_box;
use std::io::{self, Read};

use pinion::gob::{Decoder, Encoder, Limits};
use pinion::rpc::builtin::mount::MountArgs;

/// What was encoded and not decoded yet.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    read: usize,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&self.bytes[self.read..]).read(buffer)?;
        self.read += count;
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        Ok(count)
    }
}

/// Both ends of a long stream.
pub struct Warm {
    args: MountArgs,
    encoder: Encoder,
    decoder: Decoder<Stream>,
}

impl Warm {
    /// A new stream.
    pub fn new() -> Self {
        let decoder = Decoder::new(Stream::default(), Limits::default());
        Warm { args: args(), encoder: Encoder::new(), decoder }
    }

    /// One value there and back.
    pub fn value(&mut self) {
        self.encoder.encode(&self.args, &mut self.decoder.reader_mut().bytes).expect("encode");
        let mut got = MountArgs::default();
        self.decoder.decode_into(&mut got).expect("decode");
        black_box(&got);
    }
}

/// One value there and back, with a stream of its own.
pub fn fresh() {
    let args = args();
    let mut stream = Stream::default();
    Encoder::new().encode(&args, &mut stream.bytes).expect("encode");
    let mut got = MountArgs::default();
    Decoder::new(stream, Limits::default()).decode_into(&mut got).expect("decode");
    black_box(&got);
}

fn args() -> MountArgs {
    MountArgs {
        root: "/var/lib/pinion/root".into(),
        source: "/dev/loop0".into(),
        target: "/var/lib/pinion/root/image".into(),
        filesystem: "squashfs".into(),
        flags: 6,
        data: "errors=continue".into(),
    }
}
