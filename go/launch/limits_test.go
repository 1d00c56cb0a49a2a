// SPDX-License-Identifier: Apache-2.0 OR MIT

package launch_test

import (
	"math"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/pinion-runtime/pinion/go/launch"
)

const fullChunk = 131056

func TestConfigurationsOfEachSizeArriveWhole(t *testing.T) {
	for size, chunks := range map[int]int{8: 1, fullChunk: 1, fullChunk + 1: 2, 8*fullChunk - 1: 8, 8 * fullChunk: 8} {
		given := run(t, launch.Host{}, sized(size))
		equal(t, given.Size, size)
		equal(t, given.Sum, sum(sized(size).text()))
		equal(t, given.Environment[chunks], "ENGINE_CONFIG_CHUNKS="+strconv.Itoa(chunks))
	}
}

func TestByDescriptorAConfigurationMayHave64MiB(t *testing.T) {
	const most = 64 << 20
	given := run(t, launch.Host{ByDescriptor: true}, sized(most))
	equal(t, given.Size, most)
	equal(t, given.Sum, sum(sized(most).text()))
	equal(t, refusal(t, launch.Host{ByDescriptor: true}, sized(most+1)),
		"engine configuration: 67108865 bytes, at most 67108864 are possible")
}

func TestOneByteMoreThanEightChunksIsRefused(t *testing.T) {
	equal(t, refusal(t, launch.Host{}, sized(8*fullChunk+1)), "engine configuration: 1048449 bytes, at most 1048448 fit into the "+
		"environment (a starter of pinion takes it by descriptor, up to 64 MiB)")
}

// mebibyte is a stack limit that a configuration of 500,000 bytes is too big for.
const mebibyte = 1 << 20

func TestAStackLimitThatIsTooLowIsNamedWithWhatHelps(t *testing.T) {
	const wrong = "engine configuration: 500000 bytes do not fit into the environment: a quarter of the stack limit of 1024 kB must " +
		"hold them and 4096 bytes "
	for hard, help := range map[uint64]string{
		math.MaxUint64: "(raise the soft limit: ulimit -S -s 1970)",
		1970 << 10:     "(raise the soft limit: ulimit -S -s 1970)",
		1969 << 10:     "(a stack limit of 1970 kB would do, but the hard limit of 1969 kB is reached)",
	} {
		for _, replaces := range []bool{false, true} {
			front := frontEnd{Exec: replaces, Size: 500_000, Stack: [2]uint64{mebibyte, hard}}
			equal(t, front.start(t, "").Error, wrong+help)
		}
	}
}

func TestTheStackLimitThatIsAdvisedDoes(t *testing.T) {
	for _, front := range []frontEnd{
		{Size: 500_000, Stack: [2]uint64{1970 << 10, 1970 << 10}},
		// By descriptor the limit does not matter.
		{Size: 500_000, Stack: [2]uint64{mebibyte, mebibyte}, ByDescriptor: true},
		{Size: 8 * fullChunk, Stack: [2]uint64{math.MaxUint64, math.MaxUint64}},
	} {
		front.Orders.Report = filepath.Join(t.TempDir(), "report")
		result := front.start(t, "")
		equal(t, result.Error, "")
		equal(t, result.report.Size, front.Size)
	}
}
