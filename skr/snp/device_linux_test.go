package snp

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// A device that is none refuses both requests, through the whole of the real
// call; and the kernel gets the buffers' addresses.
func TestIoctlOnNoGuestDevice(t *testing.T) {
	for _, path := range []string{device5, device6} {
		d := driverOf(path)
		f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		payload, request, response := append([]byte(nil), d.payload...), make([]byte, requestSize), make([]byte, d.responseSize)
		if err := ioctl(f, d, payload, request, response); !errors.Is(err, syscall.ENOTTY) {
			t.Errorf("%s: %v", path, err)
		}
		for at, b := range map[int][]byte{d.request: request, d.response: response} {
			if got := binary.LittleEndian.Uint64(payload[at:]); got != uint64(uintptr(unsafe.Pointer(&b[0]))) {
				t.Errorf("%s: address %x at %d", path, got, at)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := ioctl(f, d, payload, request, response); err == nil {
			t.Errorf("%s, closed: %v", path, err)
		}
	}
	a, err := OpenDevice(&DeviceOptions{Path: os.DevNull, SecurityContext: SecurityContextOptions{Dir: t.TempDir(), Getenv: env()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Attest(t.Context(), []byte("{}")); !errors.Is(err, syscall.ENOTTY) || !strings.Contains(err.Error(), "no guest device") {
		t.Errorf("%v", err)
	}
}
