// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build dropin_plain || dropin_level1

// Package starterconfig is the host's starter configuration: its own, or pinion's.
package starterconfig

import "github.com/pinion-runtime/pinion/go/internal/dropin/own/starterconfig"

// Config is what PrepareConfig decides.
type Config = starterconfig.Config
