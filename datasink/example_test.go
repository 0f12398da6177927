package datasink_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

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
