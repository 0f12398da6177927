package cleanroom_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/datasink"
)

// mountedRoom is a room behind sidecars whose environment has mounts, and no
// way to a sink of its own.
func mountedRoom(t *testing.T, mounts map[string]string, change func(*cleanroom.RoomOptions)) (*inRoom, *cleanroom.Room) {
	t.Helper()
	a := agree(t)
	in, _ := a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{})
	inner := in.opts.Getenv
	in.opts.Getenv = func(name string) string {
		if strings.HasPrefix(name, "CLEANROOM_SINK_") {
			return ""
		}
		for mount, path := range mounts {
			if name == cleanroom.MountVariable(mount) {
				return path
			}
		}
		return inner(name)
	}
	if change != nil {
		change(in.opts)
	}
	room, err := in.enter(t.Context())
	a.must(err)
	t.Cleanup(func() { a.must(room.Close()) })
	return in, room
}

// TestRoomMounts: the same program writes to a mount and reads from one.
func TestRoomMounts(t *testing.T) {
	out, data := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "users.csv"), []byte("id\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(outside, []byte("x"), 0o600), os.Symlink(outside, filepath.Join(data, "link"))); err != nil {
		t.Fatal(err)
	}
	in, room := mountedRoom(t, map[string]string{roomSink: out, "users": data}, func(o *cleanroom.RoomOptions) { o.AnyDirectory = true })
	ctx := t.Context()
	t.Run("35 write output", func(t *testing.T) {
		sink, err := room.Output(ctx, roomSink)
		if err != nil {
			t.Fatal(err)
		}
		write := func(text string) error {
			return sink.WriteFile(ctx, "output.txt", func(w io.Writer) error {
				_, err := io.WriteString(w, text)
				return err
			})
		}
		if err := write("id: 1\n"); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(out, "output.txt")); string(b) != "id: 1\n" {
			t.Errorf("%q, %v", b, err)
		}
		if err := write("again"); !errors.Is(err, datasink.ErrConflict) && !errors.Is(err, datasink.ErrExist) {
			t.Errorf("a file of a mount was replaced: %v", err)
		}
		if again, err := room.Output(ctx, roomSink); again != sink || err != nil || sink.Mode() != datasink.SSE {
			t.Errorf("%v, %v", again, err)
		}
	})
	t.Run("36 mount of a datasource", func(t *testing.T) {
		for range 2 {
			users, err := room.Input(ctx, "users")
			if err != nil {
				t.Fatal(err)
			}
			if b, err := fs.ReadFile(users, "users.csv"); string(b) != "id\n1\n" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
			if _, err := fs.ReadFile(users, "link"); err == nil {
				t.Error("a link leads out of the mount")
			}
		}
	})
	t.Run("refusals", func(t *testing.T) {
		for name, say := range map[string]string{"plants": "CLEANROOM_MOUNT_PLANTS is not set", "Users": "lower case"} {
			if _, err := room.Input(ctx, name); err == nil || !strings.Contains(err.Error(), say) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := room.Output(ctx, "plants"); err == nil || !strings.Contains(err.Error(), "CLEANROOM_SINK_PLANTS is not set") {
			t.Error(err)
		}
	})
	if n := in.count("/keys/") + in.count("/secrets/wrapped"); n != 0 {
		t.Errorf("%d requests for keys", n)
	}
	if err := room.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := room.Input(ctx, "users"); err == nil {
		t.Error("a datasource of a room that was left")
	}
}

// TestRoomMountReadiness: a directory is no mount until something is mounted.
func TestRoomMountReadiness(t *testing.T) {
	directory := t.TempDir()
	_, room := mountedRoom(t, map[string]string{roomSink: directory, "relative": "mnt", "dots": directory + "/../x"}, nil)
	ctx := t.Context()
	errUnmounted := errors.New("not mounted")
	t.Run("mounted later", func(t *testing.T) {
		looks := 0
		cleanroom.SetMounts(room, func(string) error {
			if looks++; looks < 4 {
				return errUnmounted
			}
			return nil
		}, time.Minute)
		if _, err := room.Input(ctx, roomSink); err != nil || looks != 4 {
			t.Errorf("%d looks, %v", looks, err)
		}
	})
	t.Run("never mounted", func(t *testing.T) {
		cleanroom.SetMounts(room, func(string) error { return errUnmounted }, time.Millisecond)
		if _, err := room.Output(ctx, roomSink); !errors.Is(err, errUnmounted) || !strings.Contains(err.Error(), "waited for 1ms") {
			t.Error(err)
		}
	})
	t.Run("a wait that is broken off", func(t *testing.T) {
		canceled, cancel := context.WithCancel(ctx)
		cleanroom.SetMounts(room, func(string) error { cancel(); return errUnmounted }, time.Minute)
		if _, err := room.Output(canceled, roomSink); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("no path", func(t *testing.T) {
		for _, name := range []string{"relative", "dots"} {
			if _, err := room.Output(ctx, name); err == nil || !strings.Contains(err.Error(), "absolute path") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestRoomMountPins: nobody can compare the key of a mount.
func TestRoomMountPins(t *testing.T) {
	_, room := mountedRoom(t, map[string]string{roomSink: t.TempDir()}, func(o *cleanroom.RoomOptions) { o.AnyDirectory, o.RequirePins = true, true })
	if _, err := room.Output(t.Context(), roomSink); err == nil || !strings.Contains(err.Error(), "RequirePins") {
		t.Error(err)
	}
}

// TestRoomSinkBeforeMount: a program that can reach its sink by itself does.
func TestRoomSinkBeforeMount(t *testing.T) {
	a := agree(t)
	in := a.launch(a.template.Policy())
	in.setenv(cleanroom.MountVariable(roomSink), t.TempDir())
	room, err := in.enter(t.Context())
	a.must(err)
	sink, err := room.Output(t.Context(), roomSink)
	a.must(err)
	if sink.Mode() != datasink.CPK {
		t.Errorf("%s", sink.Mode())
	}
	a.must(room.Close())
}
