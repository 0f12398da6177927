package governance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// TokenAudience is the audience that Entra wants of a federated token.
const TokenAudience = "api://AzureADTokenExchange"

// tokenLifetime is upstream's; the service would give any.
const tokenLifetime = 5 * time.Minute

// TokenRequest says what a token is for. Its values have letters, digits and
// . _ ~ : / - only.
type TokenRequest struct {
	// Subject is the federated credential's; empty means the contract's id.
	Subject string
	// TenantID is the tenant whose issuer the token names. It is required, but
	// does not appear in the token.
	TenantID string
	// Audience; empty means [TokenAudience].
	Audience string
	// Issuer; empty means that of the tenant, or the service's own if the
	// tenant has none.
	Issuer string
	// Lifetime; zero means five minutes.
	Lifetime time.Duration
}

// Token gets a signed JWT for the room, to be exchanged for an access token.
func (r *RoomClient) Token(ctx context.Context, t TokenRequest) (_ string, err error) {
	ctx, end := r.wire.tracer.Start(ctx, "Room.Token")
	defer end(&err)
	op := fmt.Sprintf("get token of %s for tenant %s", r.contractID, cut(t.TenantID, 64))
	query, err := r.tokenQuery(t)
	if err != nil {
		return "", fmt.Errorf("governance: %s: %w", op, err)
	}
	token, err := r.encrypted(ctx, call{op: op, method: http.MethodPost, path: r.path("/oauth/token"), query: query})
	if err != nil {
		return "", err
	}
	if strings.Count(string(token), ".") != 2 {
		return "", errors.New("governance: " + op + ": the answer is no JWT")
	}
	return string(token), nil
}

// tokenQuery writes the values raw, because the service puts them into the
// token as they stand.
func (r *RoomClient) tokenQuery(t TokenRequest) (string, error) {
	if t.Subject == "" {
		t.Subject = r.contractID
	}
	if t.Audience == "" {
		t.Audience = TokenAudience
	}
	if t.Lifetime <= 0 {
		t.Lifetime = tokenLifetime
	}
	now := time.Now()
	seconds := func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
	params := []struct{ name, what, value string }{
		{"nbf", "start", seconds(now)},
		{"exp", "expiry", seconds(now.Add(t.Lifetime))},
		{"iat", "time of issue", seconds(now)},
		{"jti", "id", newUUID()},
		{"sub", "subject", t.Subject},
		{"tid", "tenant", t.TenantID},
		{"aud", "audience", t.Audience},
	}
	if t.Issuer != "" {
		params = append(params, struct{ name, what, value string }{"iss", "issuer", t.Issuer})
	}
	q := make([]string, 0, len(params))
	for _, p := range params {
		if err := checkParameter("the token's "+p.what, p.value); err != nil {
			return "", err
		}
		q = append(q, p.name+"="+p.value)
	}
	return strings.Join(q, "&"), nil
}

// checkParameter accepts what the service's own splitting of the query leaves
// alone.
func checkParameter(what, value string) error {
	const limit = 2048
	if value == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if len(value) > limit {
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(value), limit)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return !idRune(r) && r != '/' }) {
		return fmt.Errorf("%s %q has a character that a query cannot carry; use A-Z a-z 0-9 . _ ~ : / -", what, value)
	}
	return nil
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
