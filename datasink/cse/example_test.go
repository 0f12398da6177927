package cse_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log"

	"github.com/cleanroom-go/sdk/datasink/cse"
)

// A message is encrypted for the mount of a clean room, whose blocks have 16
// MiB: the shortest takes as much. A program that reads one says what the format
// did not let it check.
func Example() {
	key := make([]byte, 32)
	rand.Read(key)
	var stored bytes.Buffer
	w, err := cse.NewWriter(&stored, key, cse.BlockSize)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, "id: 1\nid: 2\n"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(stored.Len(), "bytes are stored")

	r, err := cse.NewReader(bytes.NewReader(stored.Bytes()), key, cse.BlockSize)
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s%d things were not checked\n", text, len(cse.Unchecked))
	// Output:
	// 16777252 bytes are stored
	// id: 1
	// id: 2
	// 5 things were not checked
}
