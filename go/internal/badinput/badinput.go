// SPDX-License-Identifier: Apache-2.0 OR MIT

// Package badinput has the tests of what a careless or hostile engine, host or caller does to the Go face: a start works all the
// same, or ends with 255 and a message that says why; the Go runtime never crashes, nothing hangs, and nothing is left.
//
// It tests package starter from outside, by the program badstarter, and in this process what needs no start (package suite, over
// the core here, without one there).
package badinput
