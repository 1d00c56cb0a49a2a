// SPDX-License-Identifier: Apache-2.0 OR MIT

package starter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pinion-runtime/pinion/go/internal/dropin/own/starterconfig"
)

// stage1 calls PrepareConfig, and sends the starter what that decided, with the descriptors that it opened.
func stage1(given handover, load Load) (code int, err error) {
	engine, err := load(given.Plan.Document)
	if err != nil {
		return 0, err
	}
	if err := prepare(engine, given); err != nil {
		if given.CleanupHost {
			err = errors.Join(err, engine.CleanupHost(context.Background()))
		}
		return 0, err
	}
	return 0, nil
}

func prepare(engine Engine, given handover) error {
	config := starterconfig.New(given.Plan.Document)
	if err := guarded("PrepareConfig", func() error { return engine.PrepareConfig(config) }); err != nil {
		return err
	}
	plan, err := config.Plan()
	if err != nil {
		return err
	}
	if plan.Document, err = json.Marshal(engine.Common); err != nil {
		return fmt.Errorf("write the configuration back: %w", err)
	}
	return sendPlan(given.Socket, plan)
}

// descriptors are those that a plan speaks of.
func descriptors(plan starterconfig.Plan) []int {
	all := slices.Clone(plan.Kept)
	if plan.WorkingDirectory >= 0 {
		all = append(all, plan.WorkingDirectory)
	}
	return all
}

func sendPlan(socket int, plan starterconfig.Plan) error {
	text, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("send the plan: %w", err)
	}
	memory, err := memoryFile(text)
	if err != nil {
		return fmt.Errorf("send the plan: %w", err)
	}
	rights := unix.UnixRights(append([]int{memory}, descriptors(plan)...)...)
	if err := unix.Sendmsg(socket, []byte{0}, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send the plan: %w", err)
	}
	return nil
}

// receivePlan takes a plan, and gives its descriptors the numbers that they had.
func receivePlan(socket int) (plan starterconfig.Plan, err error) {
	var one [1]byte
	control := make([]byte, unix.CmsgSpace(64*4))
	_, length, _, _, err := unix.Recvmsg(socket, one[:], control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return plan, fmt.Errorf("receive the plan: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:length])
	if err != nil || len(messages) != 1 {
		return plan, errors.Join(errors.New("receive the plan: stage 1 sent none"), err)
	}
	sent, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return plan, fmt.Errorf("receive the plan: %w", err)
	}
	for i, low := range sent {
		if sent[i], err = raise(low); err != nil {
			return plan, fmt.Errorf("receive the plan: %w", err)
		}
	}
	defer func() {
		for _, fd := range sent {
			unix.Close(fd)
		}
	}()
	var status unix.Stat_t
	if err := unix.Fstat(sent[0], &status); err != nil {
		return plan, fmt.Errorf("read the plan: %w", err)
	}
	text := make([]byte, status.Size)
	if _, err := reader(sent[0]).ReadAt(text, 0); err != nil {
		return plan, fmt.Errorf("read the plan: %w", err)
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return plan, fmt.Errorf("read the plan: %w", err)
	}
	for i, number := range descriptors(plan) {
		if _, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); err == nil {
			return plan, fmt.Errorf("keep descriptor %d: the starter has one of that number", number)
		}
		if err := unix.Dup3(sent[i+1], number, unix.O_CLOEXEC); err != nil {
			return plan, fmt.Errorf("keep descriptor %d: %w", number, err)
		}
	}
	return plan, nil
}
