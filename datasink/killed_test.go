package datasink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"testing"
)

// killEnv makes this test binary write one blob of a directory over and over.
const killEnv = "DATASINK_WRITE_UNTIL_KILLED"

const killedSize = 300_000

// version is a blob that says in each of its words which one it is.
func version(n uint64) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint64(nil, n), killedSize/8)
}

// writeUntilKilled tells each step on standard output.
func writeUntilKilled(dir string) error {
	s, err := NewWithBackend(Dir(dir), &Options{BlockSize: 100_000, Streams: 2})
	if err != nil {
		return err
	}
	for n := uint64(1); n < 10_000; n++ {
		w, err := s.Create(context.Background(), "folder/a", nil)
		if err != nil {
			return err
		}
		fmt.Println("created")
		if _, err := w.Write(version(n)); err != nil {
			return err
		}
		fmt.Println("written")
		if err := w.Commit(); err != nil {
			return err
		}
		fmt.Println("committed", n)
	}
	return errors.New("nobody killed this process")
}

// TestKilledWriter: whenever a process that writes into a directory is killed,
// its readers see one whole blob, not older than the last whose commit had
// returned, and nothing else; and the next writer writes.
func TestKilledWriter(t *testing.T) {
	for round := range 24 {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var committed uint64
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); {
			fmt.Sscanf(lines.Text(), "committed %d", &committed)
			if seen++; seen == 3+round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		s, err := NewWithBackend(Dir(dir), nil)
		if err != nil {
			t.Fatal(err)
		}
		names := 0
		for item, err := range s.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if names++; item.Name != "folder/a" || item.Size != killedSize {
				t.Errorf("round %d: a reader sees %s of %d bytes", round, item.Name, item.Size)
			}
		}
		got, err := fs.ReadFile(s.FS(t.Context()), "folder/a")
		if err != nil || names != 1 {
			t.Fatalf("round %d: %d blobs, %v", round, names, err)
		}
		if n := binary.BigEndian.Uint64(got); n < committed || !bytes.Equal(got, version(n)) {
			t.Errorf("round %d: version %d after the commit of %d had returned, or not a whole one", round, n, committed)
		}
		w, err := s.Create(t.Context(), "folder/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.Write(version(0)); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Errorf("round %d: the next write: %v", round, err)
		}
	}
}
