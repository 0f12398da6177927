package snp

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// platformDevice opens the device for each report. Both drivers were made for
// that, and an attester has no Close.
func platformDevice(path string) (guestDevice, error) {
	// The absence shows at the start and not with the first key.
	f, err := openDevice(path)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return func(d *driver, payload, request, response []byte) error {
		f, err := openDevice(path)
		if err != nil {
			return err
		}
		return errors.Join(ioctl(f, d, payload, request, response), f.Close())
	}, nil
}

func openDevice(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|syscall.O_CLOEXEC, 0)
}

// ioctl hands the kernel three buffers, two of them by an address inside the
// third, of which Go knows nothing: they are pinned for the call.
func ioctl(f *os.File, d *driver, payload, request, response []byte) error {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	for at, b := range map[int][]byte{d.request: request, d.response: response} {
		pinner.Pin(&b[0])
		binary.LittleEndian.PutUint64(payload[at:], uint64(uintptr(unsafe.Pointer(&b[0]))))
	}
	pinner.Pin(&payload[0])
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	if err := conn.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, uintptr(d.code), uintptr(unsafe.Pointer(&payload[0])))
	}); err != nil {
		return err
	}
	if errno != 0 {
		return os.NewSyscallError("ioctl", errno)
	}
	return nil
}
