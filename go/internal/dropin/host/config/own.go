// SPDX-License-Identifier: Apache-2.0 OR MIT

//go:build dropin_plain || dropin_level1

// Package config is the host's engine configuration: its own, or pinion's.
package config

import "github.com/pinion-runtime/pinion/go/internal/dropin/own/config"

// Common is the document.
type Common = config.Common

// EngineConfig is an engine's own part of it.
type EngineConfig = config.EngineConfig
