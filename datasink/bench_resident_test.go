package datasink

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// clientEnv makes this test binary a client that writes or reads and says what
// memory it took: mode, direction, url and root.
const clientEnv = "DATASINK_BENCH_CLIENT"

// BenchmarkResident prints the greatest resident memory of a process that does
// nothing but move a blob, beside what is allowed: 40 MiB and Streams+1 blocks.
func BenchmarkResident(b *testing.B) {
	for _, mode := range []Mode{Sealed, CSE, CPK} {
		for _, way := range []string{"write", "read"} {
			b.Run(fmt.Sprintf("%s/%s", mode, way), func(b *testing.B) {
				f := startBench(b, true)
				if way == "read" {
					stored := storedForm(b, mode, benchOptions(b, mode))
					f.describe(b, "a", stored.size, stored.r)
				}
				for b.Loop() {
					cmd := exec.CommandContext(b.Context(), os.Args[0])
					cmd.Env = append(os.Environ(), clientEnv+"="+strings.Join([]string{string(mode), way, f.url, f.root}, " "))
					cmd.Stderr = os.Stderr
					out, err := cmd.Output()
					if err != nil {
						b.Fatal(err)
					}
					words := strings.Fields(string(out))
					for i, unit := range []string{"rss-MiB", "allowed-MiB"} {
						v, err := strconv.ParseFloat(words[i], 64)
						if err != nil {
							b.Fatal(err)
						}
						b.ReportMetric(v, unit)
					}
				}
			})
		}
	}
}

// runClient is that process.
func runClient(what string) error {
	words := strings.Fields(what)
	mode, way := Mode(words[0]), words[1]
	client, err := benchClient(words[3])
	if err != nil {
		return err
	}
	opts, err := optionsFor(mode)
	if err != nil {
		return err
	}
	s, err := sinkOn(words[2], client, opts)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if way == "write" {
		err = s.WriteFile(ctx, "a", func(w io.Writer) error {
			_, err := w.(io.ReaderFrom).ReadFrom(&endless{benchBlock, benchSize})
			return err
		})
	} else {
		var r *Reader
		if r, err = s.Open(ctx, "a"); err == nil {
			_, err = r.WriteTo(io.Discard)
		}
	}
	if err != nil {
		return err
	}
	const mib = 1 << 20
	fmt.Println(peakMiB(), 40+float64((benchStreams+1)*s.blockSize)/mib)
	return nil
}
