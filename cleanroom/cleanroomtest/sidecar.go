package cleanroomtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/emulator/sidecar"
)

// Sidecar is the platform's governance sidecar of a guest, for a program that
// does not go to the service itself.
type Sidecar struct {
	// URL is http://127.0.0.1:<port>.
	URL string

	server *http.Server
	served chan struct{}
	room   *governance.RoomClient
	conn   *Conn

	transport *http.Transport
}

// attestTime bounds making the evidence, which is local.
const attestTime = 10 * time.Second

// GovernanceSidecar starts the sidecar for the guest as a room of the contract,
// in plain HTTP on loopback as in a room. Close it before the environment.
func (g *Guest) GovernanceSidecar(contractID string) (*Sidecar, error) {
	conn, err := g.Connect(nil)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(g.env.ServiceCertificate())
	transport := &http.Transport{DialContext: conn.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
	ctx, cancel := context.WithTimeout(context.Background(), attestTime)
	defer cancel()
	url := g.env.LedgerURL() + "/app/contracts/" + contractID
	upstream, err := sidecar.NewUpstream(ctx, &http.Client{Transport: transport}, url, roomAttester{g})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cleanroomtest: %w", err)
	}
	room, err := governance.NewRoomClientWithEvidence(g.env.LedgerURL(), contractID, upstream.Key, upstream.Evidence, &governance.RoomClientOptions{
		ServiceCertificate: g.env.ServiceCertificate(), DialContext: conn.DialContext, PollInterval: 5 * time.Millisecond,
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cleanroomtest: sidecar: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		room.Close()
		conn.Close()
		return nil, fmt.Errorf("cleanroomtest: sidecar: %w", err)
	}
	s := &Sidecar{
		URL:    "http://" + listener.Addr().String(),
		server: &http.Server{Handler: sidecar.New(room, upstream), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)},
		served: make(chan struct{}), room: room, conn: conn, transport: transport,
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // ends with ErrServerClosed when Close ends it
	}()
	return s, nil
}

// Close stops the sidecar.
func (s *Sidecar) Close() error {
	err := s.server.Close()
	<-s.served
	s.room.Close()
	s.transport.CloseIdleConnections()
	s.conn.Close()
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cleanroomtest: sidecar: %w", err)
	}
	return nil
}

// roomAttester is the guest as a room client wants it.
type roomAttester struct{ g *Guest }

func (a roomAttester) Evidence(ctx context.Context, runtimeData []byte) (*governance.Evidence, error) {
	e, err := a.g.Attest(ctx, runtimeData)
	if err != nil {
		return nil, err
	}
	return &governance.Evidence{Report: e.Report, Certificates: e.Certificates, UVMEndorsements: e.UVMEndorsements}, nil
}

// tokenOf gets assertions from the governance sidecar.
type tokenOf struct {
	room     *governance.SidecarRoom
	tenantID string
}

func (t tokenOf) get(ctx context.Context) (string, error) {
	return t.room.Token(ctx, governance.TokenRequest{TenantID: t.tenantID, Audience: Audience})
}
