// SPDX-License-Identifier: Apache-2.0 OR MIT

package suite_test

import (
	"testing"

	"github.com/pinion-runtime/pinion/go/internal/badinput/suite"
)

func TestWithoutCore(t *testing.T) {
	suite.Run(t)
}
