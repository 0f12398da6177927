package cleanroom

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cleanroom-go/sdk/datasink"
)

// maxMountWait is what the platform's launcher waits for a mount: 12 times 30
// seconds.
const maxMountWait = 6 * time.Minute

// Input is one of the datasources that the parties' document mounts for this
// application, to be read: the platform's sidecars decrypt it. A datasource that
// is not mounted yet is waited for, as [Room.Output] does. Nothing below it can
// lead out of it. [Room.Close] closes it.
//
// Only rooms with the platform's sidecars have datasources; see
// [Specification.AnnounceMounts].
func (r *Room) Input(ctx context.Context, name string) (_ fs.FS, err error) {
	ctx, end := r.tracer.Start(ctx, "Input")
	defer end(&err)
	op := fmt.Sprintf("cleanroom: input %q", shorten(name, 80))
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	input, err := r.input(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return input, nil
}

func (r *Room) input(ctx context.Context, name string) (fs.FS, error) {
	directory, err := r.mountPath(name)
	if err != nil {
		return nil, err
	}
	if directory == "" {
		return nil, fmt.Errorf("%s is not set: the accepted document mounts no such datasource for this application, or nobody called Specification.AnnounceMounts", MountVariable(name))
	}
	if err := r.waitMount(ctx, directory); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if root := r.inputs[name]; root != nil {
		return root.FS(), nil
	}
	if r.emptied {
		return nil, errRoomClosed
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	r.inputs[name] = root
	return root.FS(), nil
}

// mountPath is where an access point is mounted; "" if the environment does not
// say.
func (r *Room) mountPath(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	variable := MountVariable(name)
	value := r.getenv(variable)
	if value == "" {
		return "", nil
	}
	// The platform's paths are those of Linux; at a desk they are the system's.
	if !filepath.IsAbs(value) || filepath.Clean(value) != value {
		return "", fmt.Errorf("%s: %q is not an absolute path, or has the steps . or .. in it", variable, shorten(value, 80))
	}
	return value, nil
}

// mountedOutput is a sink that the platform's sidecars mount: plain bytes go in,
// and the mount encrypts.
func (r *Room) mountedOutput(ctx context.Context, name, directory string) (*datasink.Sink, error) {
	if r.requirePins {
		return nil, errors.New("the sink is a mount, whose data key nobody here can compare with the document's: remove RoomOptions.RequirePins, or have the room reach the sink itself")
	}
	if err := r.waitMount(ctx, directory); err != nil {
		return nil, err
	}
	sink, err := datasink.NewWithBackend(datasink.Mount(directory), &datasink.Options{Mode: datasink.SSE, Contract: r.contractID, Datasink: name})
	if err != nil {
		return nil, err
	}
	if sink, err = r.keep(name, sink); err == nil {
		r.step(StepOutput, "sink %s is ready, mounted", name)
	}
	return sink, err
}

// waitMount returns when something is mounted there. A directory alone is not
// enough: until the storage is mounted over it, what is written goes to the
// room's own disk and is lost.
func (r *Room) waitMount(ctx context.Context, directory string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.mountWait, fmt.Errorf("waited for %s", r.mountWait))
	defer cancel()
	for {
		err := r.mounted(directory)
		if err == nil {
			return nil
		}
		if errors.Is(err, errNoMounts) {
			return err
		}
		if ended := pause(ctx, r.mountPoll); ended != nil {
			return fmt.Errorf("nothing is mounted at %s: %w: %w", shorten(directory, 200), err, context.Cause(ctx))
		}
	}
}

var (
	errNotMounted = errors.New("it is a directory of the room's own")
	errNoMounts   = errors.New("mounts can be recognised on Linux only; set RoomOptions.AnyDirectory to write to a directory all the same")
)

// anyDirectory takes directories for mounts.
func anyDirectory(directory string) error {
	info, err := os.Stat(directory)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory")
	}
	return err
}
