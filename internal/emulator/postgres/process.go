//go:build linux || darwin

package postgres

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// process is what runs and what lies on disk.
type process struct {
	binDir  string
	dir     string   // the private directory; also that of the socket
	lock    *os.File // locked while this process lives
	account *account // nil: the server runs as we do
	log     serverLog
	took    phases

	watchdog      *exec.Cmd
	watchdogInput io.Closer

	server *exec.Cmd     // nil while none runs
	exited chan struct{} // closed when server has ended

	once    sync.Once
	stopErr error
}

// phases are the durations of a start.
type phases struct{ initialise, serve, load time.Duration }

// prepare makes the directory and the watchdog over it.
func (p *process) prepare(base string) error {
	var err error
	if p.account, err = serverAccount(); err != nil {
		return err
	}
	if base == "" {
		base = defaultBase(p.account)
	}
	sweep(base, p.account)
	if p.dir, p.lock, err = makeDir(base); err != nil {
		return err
	}
	if err := p.account.own(p.dir); err != nil {
		return err
	}
	return p.watch()
}

// watchdogScript waits for the end of its input, which comes when our process
// dies, and clears up below $1. An initdb that runs may end: killed, it would
// leave shared memory behind. SIGINT tells the server to close its connections
// and end; the stronger ones are for a server that hangs.
const watchdogScript = `trap '' HUP INT TERM QUIT
read -r line
n=0
while [ -e "$1/initialising" ] && [ "$n" -lt 100 ]; do n=$((n+1)); sleep 0.1; done
kill -INT 0
n=0
while [ -e "$1/data/postmaster.pid" ] && [ "$n" -lt 100 ]; do n=$((n+1)); sleep 0.1; done
kill -QUIT 0
n=0
while rm -rf -- "$1"; [ -e "$1" ] && [ "$n" -lt 100 ]; do n=$((n+1)); sleep 0.1; done
kill -KILL 0`

// watch starts the watchdog. It leads the process group that all the server's
// processes join, and runs under our own account: it must be able to remove the
// directory's entry in its parent.
func (p *process) watch() error {
	p.watchdog = exec.Command("/bin/sh", "-c", watchdogScript, "cleanroom-postgres-watchdog", p.dir)
	p.watchdog.Dir = "/"
	p.watchdog.Env = childEnv("/")
	p.watchdog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := p.watchdog.StdinPipe()
	if err != nil {
		return err
	}
	if err := p.watchdog.Start(); err != nil {
		p.watchdog = nil
		return fmt.Errorf("start the watchdog: %w", err)
	}
	p.watchdogInput = input
	return nil
}

// command prepares one of the server's programs: under the server's account, in
// the watchdog's group, with an environment of its own.
func (p *process) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = p.dir // ours may be closed to the account
	cmd.Env = childEnv(p.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: p.watchdog.Process.Pid, Credential: p.account.credential()}
	return cmd
}

// childEnv has nothing of ours: no PG* variable may change the server.
func childEnv(home string) []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + home, "LC_ALL=C", "TZ=UTC"}
}

// initialise runs initdb. The password goes through a file only the server's
// account can read, which is gone afterwards.
//
// A cancelled context does not kill initdb, for the sake of shared memory: it
// ends soon enough. Its output goes to a file, because a pipe of ours would
// break with us and end it too.
func (p *process) initialise(ctx context.Context, admin *redact.Secret) error {
	plain := admin.Clone()
	defer redact.Clear(plain)
	if err := errors.Join(p.write("password", plain), p.write("initialising", nil)); err != nil {
		return err
	}
	defer os.Remove(p.path("password"))
	output, err := os.Create(p.path("initdb.log"))
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := p.command(ctx, "/bin/sh", "-c", `"$@"; code=$?; rm -f -- "$0"; exit $code`, p.path("initialising"),
		filepath.Join(p.binDir, "initdb"), "-D", p.path("data"), "-U", adminName, "--pwfile="+p.path("password"),
		"--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1")
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return nil }
	cmd.WaitDelay = initdbGrace
	if err := cmd.Run(); err != nil {
		report, _ := os.ReadFile(output.Name())
		return p.explain(fmt.Errorf("initdb: %w\n%s", err, bytes.TrimSpace(report)))
	}
	return nil
}

// initdbGrace is how long a cancelled initdb may take to end by itself.
const initdbGrace = 10 * time.Second

// settings are appended to those initdb chose for this machine. The data is
// thrown away, so nothing waits for a disk. Shared memory that the server maps
// from its own directory goes with that.
const settings = `
listen_addresses = '127.0.0.1'
ssl_cert_file = '../server.crt'
ssl_key_file = '../server.key'
ssl_min_protocol_version = 'TLSv1.3'
password_encryption = 'scram-sha-256'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
jit = off
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
logging_collector = off
log_destination = 'stderr'
log_line_prefix = ''
log_min_error_statement = panic
include = '../tls.conf'
`

// configure writes the server's files. A nil certificate means no TLS.
func (p *process) configure(cert *tls.Certificate) error {
	conf, err := os.OpenFile(p.path("data/postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString(settings)
	if err := errors.Join(err, conf.Close()); err != nil {
		return err
	}
	return p.setTLS(cert)
}

func (p *process) setTLS(cert *tls.Certificate) error {
	ssl, kind := "off", "hostnossl"
	if cert != nil {
		ssl, kind = "on", "hostssl"
		chain, key, err := pemOf(cert)
		if err != nil {
			return err
		}
		defer redact.Clear(key)
		if err := errors.Join(p.write("server.crt", chain), p.write("server.key", key)); err != nil {
			return err
		}
	}
	access := "local all all scram-sha-256\n" +
		kind + " all " + adminName + " all reject\n" +
		kind + " all all 127.0.0.1/32 scram-sha-256\n"
	return errors.Join(
		p.write("tls.conf", []byte("ssl = "+ssl+"\n")),
		p.write("data/pg_hba.conf", []byte(access)))
}

// reconfigure changes TLS. The server handles the signal before it accepts
// another connection, and reports it first.
func (p *process) reconfigure(ctx context.Context, cert *tls.Certificate) error {
	if err := p.setTLS(cert); err != nil {
		return fmt.Errorf("postgres: reconfigure: %w", err)
	}
	reloading := p.log.expect("reloading configuration files")
	if err := p.server.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("postgres: reconfigure: %w", err)
	}
	if err := p.await(ctx, reloading); err != nil {
		return fmt.Errorf("postgres: reconfigure: %w", err)
	}
	return nil
}

// write makes a file that the server's account alone can read, at once whole.
func (p *process) write(name string, content []byte) error {
	path := p.path(name)
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	if err := p.account.own(temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func (p *process) path(name string) string { return filepath.Join(p.dir, name) }

// portTries bounds how often another program may be quicker than the server.
const portTries = 10

// serve starts the server on a free port and waits until it is ready.
func (p *process) serve(ctx context.Context) (port int, err error) {
	for range portTries {
		if port, err = freePort(); err != nil {
			return 0, err
		}
		if err = p.serveOn(ctx, port); err == nil {
			return port, nil
		}
		if !p.log.contains("could not create any TCP/IP sockets") {
			break
		}
	}
	return 0, err
}

func (p *process) serveOn(ctx context.Context, port int) error {
	p.log = serverLog{}
	ready := p.log.expect("ready to accept connections")
	// The server outlives the context.
	cmd := p.command(context.Background(), filepath.Join(p.binDir, "postgres"), "-D", p.path("data"), "-k", p.dir, "-p", fmt.Sprint(port))
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		return p.explain(fmt.Errorf("run the server: %w", err))
	}
	exited := make(chan struct{})
	p.server, p.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(exited)
	}()
	return p.await(ctx, ready)
}

// await waits for a line of the log.
func (p *process) await(ctx context.Context, seen <-chan struct{}) error {
	select {
	case <-seen:
		return nil
	case <-p.exited:
		return fmt.Errorf("the server ended:\n%s", p.log.String())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// explain adds what a refusal to run a program means.
func (p *process) explain(err error) error {
	if p.account != nil && errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w; PostgreSQL does not run as root, and the account %s cannot run programs in %s", err, p.account.name, p.binDir)
	}
	return err
}

// freePort asks the system for a port that nobody uses on either address of
// localhost.
var freePort = func() (int, error) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l6, err6 := net.Listen("tcp", net.JoinHostPort("::1", fmt.Sprint(port)))
		if err6 == nil {
			l6.Close()
		}
		l.Close()
		if err6 == nil || !errors.Is(err6, syscall.EADDRINUSE) {
			return port, nil
		}
	}
}

// stop ends everything and removes it, once.
func (p *process) stop() error {
	p.once.Do(func() {
		err := p.stopServer()
		if p.dir != "" {
			err = errors.Join(err, os.RemoveAll(p.dir))
		}
		if p.watchdog != nil {
			// Killed before its input ends, or it would act.
			_ = p.watchdog.Process.Kill()
			_ = p.watchdog.Wait()
			_ = p.watchdogInput.Close()
		}
		if p.lock != nil {
			_ = p.lock.Close()
		}
		if err != nil {
			p.stopErr = fmt.Errorf("postgres: stop: %w", err)
		}
	})
	return p.stopErr
}

// stopServer asks the server to end, firmly: open connections are closed.
func (p *process) stopServer() error {
	if p.server == nil {
		return nil
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		_ = p.server.Process.Signal(s) // the one error is that it has ended
		timer := time.NewTimer(10 * time.Second)
		select {
		case <-p.exited:
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
	return errors.New("the server does not end:\n" + strings.TrimSpace(p.log.String()))
}
