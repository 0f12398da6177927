package dbsecret_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// scramServer answers the client's first SCRAM message with this text, in which
// NONCE stands for the client's.
func scramServer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		_, nonce, found := bytes.Cut(buf[:n], []byte(",r="))
		if !found {
			return
		}
		answer := strings.Replace(text, "NONCE", string(nonce)+"x", 1)
		_, _ = conn.Write(message('R', int32(11), []byte(answer)))
		_, _ = io.Copy(io.Discard, conn)
	}
}

// TestIterations lets a server ask for more rounds of SCRAM than the driver
// will ever finish: it would not notice the end of the context.
func TestIterations(t *testing.T) {
	for _, c := range []struct{ text, say string }{
		{"r=NONCE,s=c2FsdHNhbHQ=,i=9223372036854775807", "more SCRAM iterations than the 1000000"},
		{"r=NONCE,s=c2FsdHNhbHQ=,i=1000001", "scram_iterations"},
		{"r=NONCE,s=c2FsdHNhbHQ=,i=18446744073709551616", "more SCRAM iterations"},
		{"r=NONCE,s=c2FsdHNhbHQ=,i=0000", "no positive number"},
		{"r=NONCE,s=c2FsdHNhbHQ=,i=-4096", "no positive number"},
		{"r=NONCE,s=c2FsdHNhbHQ=,i=4e9000", "no positive number"},
		{"r=NONCE,s=c2FsdHNhbHQ=", "no iteration count"},
		{"NONCE", "no iteration count"},
	} {
		t.Run(c.text, func(t *testing.T) {
			doc := hostileServer(t, message('R', int32(10), "SCRAM-SHA-256", byte(0)), scramServer(c.text))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			connecting := connector(t, doc, &passwords{list: []string{"canary"}}, nil)
			done := make(chan error, 1)
			go func() {
				_, err := connecting.Connect(ctx)
				done <- err
			}()
			select {
			case err := <-done:
				wantError(t, err, "dbsecret: connect to localhost", c.say)
				if err != nil && strings.Contains(err.Error(), "canary") {
					t.Errorf("the error quotes the password: %v", err)
				}
			case <-ctx.Done():
				t.Fatal("connecting does not end") // and never will
			}
		})
	}
}
