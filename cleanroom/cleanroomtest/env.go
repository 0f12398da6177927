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
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cleanroom-go/sdk/internal/emulator/arm"
	"github.com/cleanroom-go/sdk/internal/emulator/blob"
	"github.com/cleanroom-go/sdk/internal/emulator/ccf"
	"github.com/cleanroom-go/sdk/internal/emulator/entra"
	"github.com/cleanroom-go/sdk/internal/emulator/maa"
	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/internal/emulator/vault"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// Audience is the audience of the assertions with which a room asks for its
// Azure tokens.
const Audience = "api://AzureADTokenExchange"

// Env is a running local environment.
type Env struct {
	parties map[string]*Party
	ca      *testpki.CA
	server  *http.Server
	addr    string
	served  chan struct{}

	machine *snpmachine.Machine
	login   *entra.Server
	vaults  *vault.Server
	hsms    *vault.Server
	storage *blob.Server
	azure   *arm.Server
	own     *Conn

	mu       sync.Mutex
	services *route
	ledger   *ccf.Service
	claimed  bool // a database was asked for
	database stopper
	certs    map[string]*tls.Certificate
	closed   bool
}

// Options are the options of [Start]; nil works.
type Options struct {
	// ErrorLog gets what the environment's server complains about, such as a
	// client that refuses its certificate. nil means that nobody is told.
	ErrorLog *log.Logger
}

// Start starts the environment on loopback, all but the ledger, which needs
// its first members' certificates (see [Env.StartLedger]), and the database
// (see [Env.StartDatabase] and [Env.StartStandIn]).
func Start(ctx context.Context, opts *Options) (_ *Env, err error) {
	if opts == nil {
		opts = &Options{}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cleanroomtest: start: %w", err)
	}
	e := &Env{certs: map[string]*tls.Certificate{}, served: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if e.parties, err = newParties(); err != nil {
		return nil, fmt.Errorf("cleanroomtest: start: %w", err)
	}
	if e.ca, err = testpki.New("Cleanroom test"); err != nil {
		return nil, fmt.Errorf("cleanroomtest: start: %w", err)
	}
	if err = e.startServices(opts.ErrorLog); err != nil {
		return nil, fmt.Errorf("cleanroomtest: start: %w", err)
	}
	return e, nil
}

// startServices builds the Azure side and serves it.
func (e *Env) startServices(errorLog *log.Logger) error {
	if errorLog == nil {
		errorLog = log.New(io.Discard, "", 0)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.addr = listener.Addr().String()
	if e.own, err = connect(joinFile{Address: e.addr, CA: string(e.ca.RootPEM())}, nil); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := e.newServices(); err != nil {
		return errors.Join(err, listener.Close())
	}
	e.server = &http.Server{
		Handler:           http.HandlerFunc(e.serve),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: e.tlsConfig, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: e.certificate},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          errorLog,
	}
	go func() {
		defer close(e.served)
		// Serve ends with ErrServerClosed, the only way in which Close ends it.
		_ = e.server.ServeTLS(listener, "", "")
	}()
	return nil
}

func (e *Env) newServices() error {
	var attestation *maa.Server
	var signing, signingHSM *tls.Certificate
	// Each of them makes RSA keys, which is where the time goes.
	var g errgroup.Group
	g.Go(func() (err error) {
		if e.machine, err = snpmachine.New(); err != nil {
			return err
		}
		attestation, err = maa.New(maa.Options{Host: AttestationHost, VerifyReport: e.machine.Verify})
		return err
	})
	g.Go(func() (err error) {
		if e.login, err = entra.New(entra.Options{HTTP: e.own.HTTPClient()}); err != nil {
			return err
		}
		if signing, err = e.ca.IssueRSA("*" + vaultSuffix); err != nil {
			return err
		}
		signingHSM, err = e.ca.IssueRSA("*" + hsmSuffix)
		return err
	})
	err := g.Wait()
	if err != nil {
		return err
	}
	e.certs["*"+vaultSuffix], e.certs["*"+hsmSuffix] = signing, signingHSM
	if e.vaults, err = vault.New(vault.Options{Certificate: signing, Verify: e.verifyToken, HTTP: e.own.HTTPClient(), TenantID: e.tenantOf}); err != nil {
		return err
	}
	if e.hsms, err = vault.New(vault.Options{ManagedHSM: true, Certificate: signingHSM, Verify: e.verifyToken, HTTP: e.own.HTTPClient(), TenantID: e.tenantOf}); err != nil {
		return err
	}
	e.storage = blob.New(blob.Options{Verify: e.verifyToken})
	tenants := map[string]string{}
	for _, p := range e.parties {
		tenants[p.SubscriptionID] = p.TenantID
	}
	e.azure = arm.New(arm.Options{Verify: e.verifyToken, Tenants: tenants})
	e.services = &route{attestation: attestation, login: e.login, management: e.azure, guests: e.machine.Handler(), vault: e.vaults, hsm: e.hsms, storage: e.storage}
	for _, p := range e.parties {
		e.provision(p)
	}
	return nil
}

// provision gives each account of a party what the scenario's scripts give it:
// the party may do anything with its own, the room's identity may release keys
// read secrets, and use the data.
func (e *Env) provision(p *Party) {
	e.login.AddSecret(p.TenantID, p.AccountID, p.secret)
	e.azure.AddGroup(p.SubscriptionID, p.ResourceGroup, "westeurope")
	e.vaults.Grant(vaultHost(p.Name), p.AccountID, vault.KeysImport, vault.KeysRead, vault.KeysUpdate, vault.KeysRelease, vault.SecretsSet, vault.SecretsGet,
		vault.KeysCreate, vault.KeysSign, vault.CertificatesCreate, vault.CertificatesRead)
	e.vaults.Grant(vaultHost(p.Name), p.IdentityID, vault.KeysRead, vault.KeysRelease, vault.SecretsGet)
	e.hsms.Activate(hsmHost(p.Name))
	e.hsms.GrantScope(hsmHost(p.Name), p.AccountID, "/", vault.KeysImport, vault.KeysCreate, vault.KeysRead, vault.KeysUpdate, vault.KeysRelease, vault.KeysWrap)
	e.hsms.GrantScope(hsmHost(p.Name), p.IdentityID, "/keys", vault.KeysRead, vault.KeysRelease)
	e.storage.Grant(dataAccount(p.Name), p.AccountID, blob.Read, blob.Write)
	e.storage.Grant(webAccount(p.Name), p.AccountID, blob.Read, blob.Write)
	e.storage.Grant(dataAccount(p.Name), p.IdentityID, blob.Read, blob.Write)
}

// Federate lets the rooms of a contract act as the party's managed identity:
// its tenant trusts tokens of the issuer at [Party.IssuerURL] whose subject is
// the contract. The documents at that address are read when a room comes, not
// now.
func (e *Env) Federate(party, contractID string) error {
	p, err := e.Party(party)
	if err != nil {
		return err
	}
	e.login.Federate(p.TenantID, p.IdentityID, p.IssuerURL, contractID, Audience)
	return nil
}

func (e *Env) verifyToken(token, audience string) (tenantID, clientID string, err error) {
	p, err := e.login.Verify(token, audience)
	return p.TenantID, p.ClientID, err
}

// tenantOf is the tenant that a vault's challenge names.
func (e *Env) tenantOf(host string) string {
	for _, p := range e.parties {
		if vaultHost(p.Name) == host || hsmHost(p.Name) == host {
			return p.TenantID
		}
	}
	return ""
}

// serve routes a request to the services of this moment.
func (e *Env) serve(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	services := *e.services
	e.mu.Unlock()
	services.ServeHTTP(w, r)
}

// tlsConfig asks for a client certificate on the ledger's name only.
func (e *Env) tlsConfig(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: e.certificate}
	if hello.ServerName == LedgerHost || ledgerNode(hello.ServerName) {
		c.ClientAuth = tls.RequestClientCert
	}
	return c, nil
}

// certificate gives each served host a certificate, made at its first use.
func (e *Env) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hello.ServerName
	if !servesHost(name) {
		return nil, &UnknownHostError{Host: name}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if name == LedgerHost {
		if e.ledger == nil {
			return nil, errors.New("cleanroomtest: the ledger has not been started")
		}
		return e.ledgerCertificate()
	}
	if ledgerNode(name) {
		if cert, ok := e.certs[name]; ok {
			return cert, nil
		}
		return nil, fmt.Errorf("cleanroomtest: the ledger has no node at %s", name)
	}
	if wild := wildcard(name); wild != "" {
		name = wild
	}
	if cert, ok := e.certs[name]; ok {
		return cert, nil
	}
	cert, err := e.ca.Issue(name)
	if err != nil {
		return nil, err
	}
	e.certs[name] = cert
	return cert, nil
}

// ledgerCertificate is made once: TLS asks at every handshake.
func (e *Env) ledgerCertificate() (*tls.Certificate, error) {
	if cert, ok := e.certs[LedgerHost]; ok {
		return cert, nil
	}
	cert, err := e.ledger.TLSCertificate(LedgerHost)
	if err != nil {
		return nil, err
	}
	e.certs[LedgerHost] = cert
	return cert, nil
}

// Close stops everything and leaves nothing behind. It may be called twice.
func (e *Env) Close() error {
	e.mu.Lock()
	closed := e.closed
	e.closed = true
	database := e.database
	e.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	if e.server != nil {
		errs = append(errs, e.server.Close())
		<-e.served
	}
	if e.own != nil {
		e.own.Close()
	}
	if database != nil {
		errs = append(errs, database.Stop())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cleanroomtest: close: %w", err)
	}
	return nil
}
