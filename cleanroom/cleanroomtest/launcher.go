package cleanroomtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"time"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/emulator/launcher"
)

// LauncherApplication is an application of a [Launcher].
type LauncherApplication struct {
	Name string
	// Auto starts it with the room, if the members consent.
	Auto bool
	// Command makes a process that is not started; its outputs are the
	// launcher's, in whose directory they are
	// telemetry/application/NAME.log. A start after the first makes another.
	Command func() *exec.Cmd
	// Volumes are the access points for whose markers a start waits:
	// volumestatus/NAME.volume.ready with {"mount_path": PATH}, or
	// volumestatus/NAME.volume.error, in the launcher's directory.
	Volumes []string
}

// LauncherOptions are the options of [Guest.Launcher].
type LauncherOptions struct {
	Applications []LauncherApplication
	// Authority is the certificate of the contract's authority in PEM, which
	// the room checks its own against. It is required without Certificate.
	Authority []byte
	// Names are the DNS names of the certificate; nil means that of every room,
	// *.cleanroom.local.
	Names []string
	// Certificate is shown in place of one of the contract's authority.
	Certificate *tls.Certificate
	// Directory is what the containers of the room would share, see
	// [LauncherApplication]. An export needs remote/application-telemetry or
	// remote/infrastructure-telemetry in it: the mounts, which nothing makes.
	Directory string
	// Wrap is put around the handler, for instance to have it misbehave.
	Wrap func(http.Handler) http.Handler
}

// Launcher is the launcher of a guest's room behind its proxy: the control API.
type Launcher struct {
	// URL is https://127.0.0.1:<port>.
	URL string

	launcher *launcher.Launcher
	server   *http.Server
	served   chan struct{}
	room     *governance.RoomClient
	conn     *Conn
}

// Launcher starts the launcher of the guest as a room of the contract. It gets
// its certificate from the contract's authority, asks the ledger for consent and
// writes its events there. Applications run as processes of this machine; Close,
// which is due before the environment's, kills them.
func (g *Guest) Launcher(ctx context.Context, contractID string, opts LauncherOptions) (_ *Launcher, err error) {
	l := &Launcher{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cleanroomtest: launcher: %w", err), l.Close())
		}
	}()
	if l.conn, err = g.Connect(nil); err != nil {
		return nil, err
	}
	l.room, err = governance.NewRoomClient(g.env.LedgerURL(), contractID, roomAttester{g}, &governance.RoomClientOptions{
		ServiceCertificate: g.env.ServiceCertificate(), DialContext: l.conn.DialContext, PollInterval: 5 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	certificate := opts.Certificate
	if certificate == nil {
		if certificate, err = l.certificate(ctx, opts); err != nil {
			return nil, err
		}
	}
	applications := make([]launcher.Application, 0, len(opts.Applications))
	for _, a := range opts.Applications {
		applications = append(applications, launcher.Application{Name: a.Name, Auto: a.Auto, Command: a.Command, Volumes: a.Volumes})
	}
	l.launcher = launcher.New(ctx, launcher.Options{
		Applications: applications, Consent: l.consent, Event: l.event, Directory: opts.Directory, VolumeTries: 3, VolumePause: time.Millisecond,
	})
	var handler http.Handler = l.launcher
	if opts.Wrap != nil {
		handler = opts.Wrap(handler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.URL = "https://" + listener.Addr().String()
	l.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		// As the proxy of a room: it asks for a certificate and takes any, or none.
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*certificate}, ClientAuth: tls.RequestClientCert},
	}
	l.served = make(chan struct{})
	go func() {
		defer close(l.served)
		_ = l.server.ServeTLS(listener, "", "") // ends with ErrServerClosed when Close ends it
	}()
	return l, nil
}

func (l *Launcher) certificate(ctx context.Context, opts LauncherOptions) (*tls.Certificate, error) {
	names := opts.Names
	if names == nil {
		names = []string{"*.cleanroom.local"}
	}
	endorsed, err := l.room.EndorsedCertificate(ctx, governance.CertificateRequest{CA: opts.Authority, CommonName: "ccr-proxy", DNSNames: names, Validity: 100 * 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	defer endorsed.Close()
	return endorsed.TLS()
}

func (l *Launcher) consent(ctx context.Context, scope string) error {
	status, err := l.room.Consent(ctx, governance.RuntimeOption(scope))
	if err != nil {
		return err
	}
	if !status.Enabled {
		return fmt.Errorf("consent status for %s is not enabled: %s", scope, status.Reason)
	}
	return nil
}

func (l *Launcher) event(ctx context.Context, message string) error {
	return l.room.PutEvent(ctx, map[string]any{"source": "code-launcher", "message": message}, nil)
}

// Close ends the applications and the launcher.
func (l *Launcher) Close() error {
	var err error
	if l.server != nil {
		err = l.server.Close()
		<-l.served
	}
	if l.launcher != nil {
		l.launcher.Close()
	}
	if l.room != nil {
		l.room.Close()
	}
	if l.conn != nil {
		l.conn.Close()
	}
	return err
}
