package governancetest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// withRoom reports whether there is a room, and says so if there is none.
func (s *suite) withRoom(t *testing.T) bool {
	t.Helper()
	if s.env.RoomKey == nil {
		t.Log("there is no key and evidence of a room; what a room does is left out")
		return false
	}
	return true
}

func (s *suite) roomOf(t *testing.T, contractID string) *governance.RoomClient {
	t.Helper()
	r, err := governance.NewRoomClientWithEvidence(s.env.Endpoint, contractID, s.env.RoomKey, s.env.RoomEvidence, &governance.RoomClientOptions{
		ServiceCertificate: s.env.ServiceCertificate, DialContext: s.env.DialContext, PollInterval: s.env.PollInterval,
	})
	check(t, err)
	t.Cleanup(r.Close)
	return r
}

// room has what a clean room gets, and who is none.
func (s *suite) room(ctx context.Context, t *testing.T) {
	if !s.withRoom(t) {
		return
	}
	room := s.roomOf(t, s.contract)
	secretID, err := s.newcomer.Contract(s.contract).PutSecret(ctx, "roomsecret", "first value")
	check(t, err)
	request := governance.TokenRequest{TenantID: s.tenant}
	outside := func(room *governance.RoomClient, id string) {
		t.Helper()
		_, secret := room.Secret(ctx, secretID)
		_, token := room.Token(ctx, request)
		_, consent := room.Consent(ctx, governance.Execution)
		_, put := room.PutSecret(ctx, "roomsecret", "from outside")
		event := room.PutEvent(ctx, map[string]string{"from": "outside"}, nil)
		for _, err := range []error{secret, token, consent, put, event} {
			denies(t, err, id)
			s.refuses(t, err, "VerifySnpAttestationFailed")
		}
	}
	outside(room, "policy.accepted")
	p, err := s.founder.Contract(s.contract).ProposeCleanRoomPolicy(ctx, hostData(governance.PolicyAdd, firstHostData))
	check(t, err)
	accept(ctx, t, p, s.both()...)
	outside(room, "policy.match")
	outside(s.roomOf(t, s.name("unknown")), "policy.accepted")
	p, err = s.founder.Contract(s.contract).ProposeCleanRoomPolicy(ctx, hostData(governance.PolicyAdd, room.HostData()))
	check(t, err)
	accept(ctx, t, p, s.both()...)

	for _, value := range []string{"first value", "x", "\u00fc\x00\n", strings.Repeat("s", governance.MaxSecret)} {
		id, err := s.newcomer.Contract(s.contract).PutSecret(ctx, "roomsecret", value)
		check(t, err)
		got, err := room.Secret(ctx, id)
		check(t, err)
		if string(got) != value {
			t.Errorf("a secret of %d bytes came back with %d", len(value), len(got))
		}
	}
	_, err = room.Secret(ctx, governance.SecretID(s.newcomer.Member().ID(), "unknown"))
	s.refuses(t, err, "SecretNotFound")
	s.roomSecret(ctx, t, room)
	s.roomConsent(ctx, t, room)
	s.token(ctx, t, room)
	// The old value is taken away again, the room's own stays.
	p, err = s.founder.Contract(s.contract).ProposeCleanRoomPolicy(ctx, hostData(governance.PolicyRemove, firstHostData))
	check(t, err)
	accept(ctx, t, p, s.both()...)
	if _, err := room.Secret(ctx, secretID); err != nil {
		t.Error(err)
	}
}

// roomSecret has what a room stores for the others, beside a member's of the
// same name.
func (s *suite) roomSecret(ctx context.Context, t *testing.T, room *governance.RoomClient) {
	for _, value := range []string{"first value", "\u00fc\x00\n"} {
		id, err := room.PutSecret(ctx, "roomsecret", value)
		check(t, err)
		equal(t, "id of a room's secret", id, governance.SecretID(governance.CleanRoomID, "roomsecret"))
		got, err := room.Secret(ctx, id)
		check(t, err)
		equal(t, "the room's secret", string(got), value)
	}
}

func (s *suite) roomConsent(ctx context.Context, t *testing.T, room *governance.RoomClient) {
	ask := func(o governance.RuntimeOption, enabled bool) {
		t.Helper()
		v, err := room.Consent(ctx, o)
		check(t, err)
		equal(t, string(o)+" as the room sees it", v.Enabled, enabled)
		if !enabled {
			denies(t, v.Err(), "consent."+string(o))
		}
	}
	ask(governance.Execution, true)
	ask(governance.Logging, true)
	ask(governance.Telemetry, false)
	mine := s.founder.Contract(s.contract)
	check(t, mine.DisableExecution(ctx))
	ask(governance.Execution, false)
	check(t, mine.EnableExecution(ctx))
	ask(governance.Execution, true)
	_, err := room.Consent(ctx, "printing")
	s.refuses(t, err, "InvalidOption")
}

// token wants a token of the tenant's issuer for the contract.
func (s *suite) token(ctx context.Context, t *testing.T, room *governance.RoomClient) {
	token, err := room.Token(ctx, governance.TokenRequest{TenantID: s.tenant})
	check(t, err)
	parts := strings.Split(token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	var got struct{ Iss, Sub, Aud string }
	check(t, json.Unmarshal(claims, &got))
	equal(t, "issuer of the token", got.Iss, "https://issuer.example/"+s.id)
	equal(t, "subject of the token", got.Sub, s.contract)
	equal(t, "audience of the token", got.Aud, governance.TokenAudience)
	// A service with an issuer of its own gives tokens to all tenants.
	info, err := s.founder.OIDC().Info(ctx)
	check(t, err)
	_, err = room.Token(ctx, governance.TokenRequest{TenantID: s.otherTenant})
	if info.IssuerURL == "" {
		s.refuses(t, err, "IssuerUrlNotSet")
		return
	}
	check(t, err)
	s.refused["IssuerUrlNotSet"]++
}

// events has what rooms report and members read.
func (s *suite) events(ctx context.Context, t *testing.T) {
	mine := s.founder.Contract(s.contract)
	read := func(k *governance.ContractClient, o *governance.EventsOptions) []string {
		t.Helper()
		var got []string
		last := int64(0)
		for e, err := range k.Events(ctx, o) {
			check(t, err)
			var data struct{ N int }
			check(t, json.Unmarshal(e.Data, &data))
			got = append(got, fmt.Sprintf("%s%d", e.Scope, data.N))
			if e.Seqno <= last || e.Time.IsZero() {
				t.Errorf("event %+v after %d", e, last)
			}
			last = e.Seqno
		}
		return got
	}
	want := func(o *governance.EventsOptions, events ...string) {
		t.Helper()
		if got := read(mine, o); !slices.Equal(got, events) {
			t.Errorf("events %q, want %q", got, events)
		}
	}
	want(nil)
	want(&governance.EventsOptions{Latest: true})
	for _, err := range s.stranger.Contract(s.contract).Events(ctx, nil) {
		s.refuses(t, err, "InvalidAuthenticationInfo")
	}
	if !s.withRoom(t) {
		return
	}
	room := s.roomOf(t, s.contract)
	for n := range 3 {
		check(t, room.PutEvent(ctx, map[string]int{"n": n}, nil))
		check(t, room.PutEvent(ctx, map[string]int{"n": n}, &governance.PutEventOptions{Scope: "scope"}))
	}
	want(nil, "0", "1", "2")
	want(&governance.EventsOptions{Latest: true}, "2")
	want(&governance.EventsOptions{PageSize: 1}, "0", "1", "2")
	want(&governance.EventsOptions{Scope: "scope", PageSize: 2}, "scope0", "scope1", "scope2")
	var first int64
	for e, err := range mine.Events(ctx, nil) {
		check(t, err)
		first = e.Seqno
		break
	}
	want(&governance.EventsOptions{From: first + 1}, "1", "2")
	want(&governance.EventsOptions{To: first}, "0")
	if len(read(s.newcomer.Contract(s.name("policy")), nil)) != 0 {
		t.Error("another contract has events")
	}
}
