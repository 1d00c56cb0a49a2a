// SPDX-License-Identifier: Apache-2.0 OR MIT

package badinput

import (
	"testing"

	_ "github.com/pinion-runtime/pinion/go/core" // the registry of these tests is the core's
	"github.com/pinion-runtime/pinion/go/internal/badinput/suite"
)

func TestWithCore(t *testing.T) {
	suite.Run(t)
}
