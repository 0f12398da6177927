//go:build linux || darwin

package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// Start makes a cluster and waits until it takes logins and has its data; that
// takes about half a second. The context bounds the start alone: a cluster runs
// until Stop. A failed start leaves nothing behind, and the error quotes what
// the server reported.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	binDir, err := Find()
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Host:     "localhost",
		Database: databaseName,
		User:     userName,
		RootPEM:  opts.RootPEM,
		password: newPassword(),
		admin:    newPassword(),
		process:  &process{binDir: binDir},
	}
	if err := c.start(ctx, opts); err != nil {
		_ = c.Stop()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("postgres: start: %w", err)
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, opts Options) error {
	cert := opts.ServerCertificate
	if len(cert.Certificate) == 0 {
		ca, err := testpki.New("database")
		if err != nil {
			return err
		}
		issued, err := ca.Issue("localhost", "127.0.0.1")
		if err != nil {
			return err
		}
		cert, c.RootPEM = *issued, ca.RootPEM()
	}
	p := c.process
	began := time.Now()
	if err := p.prepare(opts.Dir); err != nil {
		return err
	}
	if err := p.initialise(ctx, c.admin); err != nil {
		return err
	}
	if err := p.configure(&cert); err != nil {
		return err
	}
	initialised := time.Now()
	port, err := p.serve(ctx)
	if err != nil {
		return err
	}
	c.Port = port
	serving := time.Now()
	if err := c.load(ctx, !opts.NoSampleData); err != nil {
		return fmt.Errorf("%w\n%s", err, p.log.String())
	}
	p.took = phases{initialise: initialised.Sub(began), serve: serving.Sub(initialised), load: time.Since(serving)}
	return nil
}

// load makes the user and the database and fills it.
func (c *Cluster) load(ctx context.Context, sample bool) error {
	admin, err := c.OpenAdmin("template1")
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.QueryRowContext(ctx, `SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)`).Scan(&c.Version); err != nil {
		return fmt.Errorf("first login: %w", err)
	}
	// The password goes over as what the server stores of it, so that no log
	// of the statement could show it. The database that is there already takes
	// the name: creating another one is slow.
	_, err = admin.ExecContext(ctx, fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD '%s';
		ALTER DATABASE postgres RENAME TO %q;
		ALTER DATABASE %[3]q OWNER TO %[1]q;
		COMMENT ON DATABASE %[3]q IS 'sample data'`, c.User, verifier(c.password), c.Database))
	if err != nil {
		return fmt.Errorf("create the user: %w", err)
	}
	if !sample {
		return nil
	}
	owner, err := c.open(c.User, c.password, c.Database)
	if err != nil {
		return err
	}
	defer owner.Close()
	if _, err := owner.ExecContext(ctx, sampleSQL()); err != nil {
		return fmt.Errorf("load the sample data: %w", err)
	}
	return nil
}

// newPassword has 192 bits, in letters and digits.
func newPassword() *redact.Secret {
	b := make([]byte, 24)
	rand.Read(b)
	defer redact.Clear(b)
	return redact.New([]byte(base64.RawURLEncoding.EncodeToString(b)))
}

// verifier is what PostgreSQL stores of a password: RFC 5803 with the salted
// password's two derived keys (RFC 5802 section 3).
func verifier(password *redact.Secret) string {
	const iterations = 4096
	salt := make([]byte, 16)
	rand.Read(salt)
	plain := password.Clone()
	defer redact.Clear(plain)
	salted, err := pbkdf2.Key(sha256.New, string(plain), salt, iterations, sha256.Size)
	if err != nil {
		panic("postgres: internal error: " + err.Error())
	}
	derive := func(name string) []byte {
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte(name))
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(derive("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(stored[:]), b64(derive("Server Key")))
}

// pemOf encodes a certificate with those above it, and its key.
func pemOf(cert *tls.Certificate) (chain, key []byte, err error) {
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("the server certificate's key: %w", err)
	}
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
