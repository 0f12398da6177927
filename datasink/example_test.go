package datasink_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/cleanroom-go/sdk/datasink"
)

// The sink of this example keeps its blobs in memory; one in an account is made
// by datasink.New with the container's URL, a credential, the mode and the key.
func Example() {
	ctx := context.Background()
	sink, err := datasink.NewWithBackend(datasink.Memory(), nil)
	if err != nil {
		log.Fatal(err)
	}
	err = sink.WriteFile(ctx, "reports/output.txt", func(w io.Writer) error {
		for id := range 3 {
			if _, err := fmt.Fprintf(w, "id: %d\n", id); err != nil {
				return err // and nothing becomes visible
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for item, err := range sink.List(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Name, item.Size)
	}
	r, err := sink.Open(ctx, "reports/output.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(os.Stdout, r); err != nil {
		log.Fatal(err)
	}
	// Output:
	// reports/output.txt 18
	// id: 0
	// id: 1
	// id: 2
}

// A directory goes up as blobs and comes down again as files. What is there
// already is not uploaded again, and a download that broke off goes on with
// Resume.
func ExampleSink_Upload() {
	ctx := context.Background()
	dek, err := datasink.NewDEK()
	if err != nil {
		log.Fatal(err)
	}
	defer dek.Close()
	sink, err := datasink.NewWithBackend(datasink.Memory(), &datasink.Options{
		Mode: datasink.Sealed, DEK: dek, Contract: "contract-1", Datasink: "consumer-output",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()
	from, to := temporary(), temporary()
	defer os.RemoveAll(from)
	defer os.RemoveAll(to)
	for _, name := range []string{"a.txt", "b.txt"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte("of "+name+"\n"), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		up, err := sink.Upload(ctx, from, &datasink.UploadDirOptions{Prefix: "reports/"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(up.Files), "uploaded,", len(up.Unchanged), "unchanged")
	}
	down, err := sink.Download(ctx, to, &datasink.DownloadOptions{
		Layout: datasink.LayoutG0("consumer-output"), Resume: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range down.Files {
		text, err := os.ReadFile(f.Path)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s", f.Name, text)
	}
	// Output:
	// 2 uploaded, 0 unchanged
	// 0 uploaded, 2 unchanged
	// reports/a.txt: of a.txt
	// reports/b.txt: of b.txt
}

func temporary() string {
	dir, err := os.MkdirTemp("", "datasink")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}

// A sink is a file system to look at.
func ExampleSink_FS() {
	ctx := context.Background()
	sink, err := datasink.NewWithBackend(datasink.Memory(), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"logs/query.log", "output.txt"} {
		err := sink.WriteFile(ctx, name, func(w io.Writer) error { _, err := io.WriteString(w, name); return err })
		if err != nil {
			log.Fatal(err)
		}
	}
	err = fs.WalkDir(sink.FS(ctx), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			fmt.Println(entry)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// d ./
	// d logs/
	// - query.log
	// - output.txt
}

// The hash of a manifest, kept where the storage's operator cannot change it,
// tells later that a blob was removed.
func ExampleSink_CheckManifest() {
	ctx := context.Background()
	dek, err := datasink.NewDEK()
	if err != nil {
		log.Fatal(err)
	}
	defer dek.Close()
	storage := datasink.Memory()
	sink, err := datasink.NewWithBackend(storage, &datasink.Options{
		Mode: datasink.Sealed, DEK: dek, Contract: "contract-1", Datasink: "consumer-output",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()
	for _, name := range []string{"a", "b"} {
		if err := sink.WriteFile(ctx, name, func(io.Writer) error { return nil }); err != nil {
			log.Fatal(err)
		}
	}
	manifest, err := sink.WriteManifest(ctx)
	if err != nil {
		log.Fatal(err)
	}
	hash := manifest.Hash()

	if err := storage.Remove(ctx, "b", ""); err != nil { // the operator does
		log.Fatal(err)
	}
	result, err := sink.CheckManifest(ctx, &hash)
	fmt.Println(errors.Is(err, datasink.ErrDamaged), result.Missing)
	fmt.Println(result)
	// Output:
	// true [b]
	// manifest 1 of 2 blobs; it is the one that was expected; 1 missing, 0 changed, 0 added
}
