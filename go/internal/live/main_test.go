// SPDX-License-Identifier: Apache-2.0 OR MIT

package live

import (
	"fmt"
	"os"
	"testing"
)

// All of these mount, make devices and change owners.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Println("left out: needs root")
		return
	}
	os.Exit(m.Run())
}
