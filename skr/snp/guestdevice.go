package snp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"time"
)

// The two guest drivers. Both take the same request message (AMD 56860, table
// 20) and give the same response (table 22), but are asked in different ways.
const (
	device6 = "/dev/sev-guest" // Linux 6
	device5 = "/dev/sev"       // Linux 5, as Azure's guests had it

	requestSize  = 96
	responseHead = 32
)

// driver is how a guest driver is asked for a report.
type driver struct {
	name string
	// code is the ioctl's number.
	code uint32
	// payload is the ioctl's argument without addresses, which stand at the
	// offsets request and response.
	payload           []byte
	request, response int
	responseSize      int
	// firmwareError is where the driver puts the firmware's or the host's
	// error, and its length, 4 or 8 bytes.
	firmwareError, firmwareErrorSize int
}

// driverOf tells the drivers apart by the name of the device.
func driverOf(path string) *driver {
	le := binary.LittleEndian
	if filepath.Base(path) == filepath.Base(device5) {
		p := make([]byte, 40)
		p[0], p[1], p[2] = 5, 6, 1 // MSG_REPORT_REQ, MSG_REPORT_RSP, message version
		d := &driver{name: "Linux 5", code: 0xC0285301, payload: p, request: 8, response: 24, responseSize: 1280, firmwareError: 32, firmwareErrorSize: 4}
		le.PutUint16(p[4:], requestSize)
		le.PutUint16(p[16:], uint16(d.responseSize))
		return d
	}
	p := make([]byte, 32)
	p[0] = 1 // message version
	return &driver{name: "Linux 6", code: 0xC0205300, payload: p, request: 8, response: 16, responseSize: 4000, firmwareError: 24, firmwareErrorSize: 8}
}

// guestDevice performs one ioctl of a driver: it opens the device, puts the
// addresses of both messages into the payload, and leaves in it what the driver
// wrote.
type guestDevice func(d *driver, payload, request, response []byte) error

// guest asks a device for reports.
type guest struct {
	driver *driver
	device guestDevice
	// busy is a semaphore: the firmware takes one request at a time, and a
	// caller whose context ends must not leave others behind a lock.
	busy chan struct{}
	// wait sleeps; tests replace it.
	wait func(context.Context, time.Duration) error
}

func newGuest(path string, device guestDevice) *guest {
	return &guest{driver: driverOf(path), device: device, busy: make(chan struct{}, 1), wait: sleep}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

const (
	// The host lets through about one request a second (its own choice), and
	// the driver of Linux 6 waits for it by itself for up to a minute.
	maxAttempts = 8
	firstDelay  = 250 * time.Millisecond
	maxDelay    = 4 * time.Second
)

// report asks for a report, again while the device is busy. A call into the
// driver cannot be broken off: when ctx ends, the caller leaves and the call
// ends by itself, before which no other begins.
func (g *guest) report(ctx context.Context, reportData [64]byte) ([]byte, error) {
	delay := firstDelay
	for attempt := 1; ; attempt++ {
		raw, err := g.once(ctx, reportData)
		if err == nil || !isBusy(err) || attempt == maxAttempts {
			return raw, err
		}
		if waitErr := g.wait(ctx, delay/2+rand.N(delay/2)); waitErr != nil {
			return nil, fmt.Errorf("%w, while the device was busy: %w", waitErr, err)
		}
		delay = min(2*delay, maxDelay)
	}
}

func (g *guest) once(ctx context.Context, reportData [64]byte) ([]byte, error) {
	select {
	case g.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	type answer struct {
		raw []byte
		err error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { <-g.busy }()
		raw, err := g.driver.ask(g.device, reportData)
		done <- answer{raw, err}
	}()
	select {
	case a := <-done:
		return a.raw, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (d *driver) ask(device guestDevice, reportData [64]byte) ([]byte, error) {
	payload := append([]byte(nil), d.payload...)
	request, response := make([]byte, requestSize), make([]byte, d.responseSize)
	copy(request, reportData[:]) // the rest stays zero: VMPL 0
	if err := device(d, payload, request, response); err != nil {
		return nil, d.explain(err, payload)
	}
	le := binary.LittleEndian
	if status := le.Uint32(response); status != 0 {
		return nil, &statusError{status}
	}
	if size := le.Uint32(response[4:]); size != 0 && size != ReportSize {
		return nil, fmt.Errorf("the firmware returned a report of %d bytes, want %d", size, ReportSize)
	}
	return response[responseHead : responseHead+ReportSize], nil
}

// statusError is the status of a response, which the firmware sets.
type statusError struct{ status uint32 }

func (e *statusError) Error() string {
	switch e.status {
	case 0x16:
		return "the firmware calls the request's parameters invalid (status 0x16)"
	case 0x27:
		return "the firmware has no such signing key (status 0x27)"
	}
	return fmt.Sprintf("the firmware answered with status 0x%x", e.status)
}

// deviceError is a failed call of the driver.
type deviceError struct {
	err error
	// firmware is the error of the firmware, host that of the hypervisor.
	firmware, host uint32
}

// hostBusy is SNP_GUEST_VMM_ERR_BUSY of the GHCB specification: the host holds
// back requests of a guest that makes many.
const hostBusy = 2

func (d *driver) explain(err error, payload []byte) error {
	e := &deviceError{err: err, firmware: binary.LittleEndian.Uint32(payload[d.firmwareError:])}
	if d.firmwareErrorSize == 8 {
		e.host = binary.LittleEndian.Uint32(payload[d.firmwareError+4:])
	}
	return e
}

func (e *deviceError) Error() string {
	s := e.err.Error()
	if e.firmware != 0 || e.host != 0 {
		s += fmt.Sprintf(" (firmware error 0x%x, host error 0x%x)", e.firmware, e.host)
	}
	switch {
	case errors.Is(e.err, syscall.ENOTTY):
		s += "; the kernel gave up the guest's key after an error, or this is no guest device: start the container group again"
	case errors.Is(e.err, syscall.EACCES), errors.Is(e.err, syscall.EPERM):
		s += "; let the container's user open the device"
	}
	return s
}

func (e *deviceError) Unwrap() error { return e.err }

// isBusy says that the same request may succeed later.
func isBusy(err error) bool {
	var e *deviceError
	if !errors.As(err, &e) {
		return false
	}
	return e.host == hostBusy || errors.Is(e.err, syscall.EBUSY) || errors.Is(e.err, syscall.EAGAIN) || errors.Is(e.err, syscall.EINTR)
}
