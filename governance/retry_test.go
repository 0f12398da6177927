package governance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// canned is a client whose answers come from a function, which learns the
// number of the call. There is no network, so time can be a test's own.
func canned(t *testing.T, answer func(r *http.Request, n int) (*http.Response, error)) *governance.Client {
	t.Helper()
	n := 0
	m := newMember(t, "m")
	c, err := governance.NewClient("https://host", m, &governance.ClientOptions{
		ServiceCertificate: m.CertificatePEM(),
		Transport: func(http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				n++
				return answer(r, n)
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const networkJSON = `{"service_status":"Open","service_certificate":"x","current_view":2,"primary_id":"p","recovery_count":1}`

func TestRetryAfter(t *testing.T) {
	inAMinute := func() string { return time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat) }
	tests := []struct {
		status   int
		after    func() string
		min, max time.Duration // of the wait for the second attempt
	}{
		{408, nil, 50 * time.Millisecond, 63 * time.Millisecond},
		{429, func() string { return "7" }, 7 * time.Second, 7 * time.Second},
		{502, nil, 50 * time.Millisecond, 63 * time.Millisecond},
		{503, func() string { return "1" }, time.Second, time.Second},
		{503, func() string { return "soon" }, 50 * time.Millisecond, 63 * time.Millisecond},
		{503, func() string { return "-1" }, 50 * time.Millisecond, 63 * time.Millisecond},
		{503, func() string { return "99999999999999999999" }, 50 * time.Millisecond, 63 * time.Millisecond},
		{503, func() string { return "86400" }, time.Minute, time.Minute}, // never longer
		{503, inAMinute, time.Minute, time.Minute},
		{504, nil, 50 * time.Millisecond, 63 * time.Millisecond},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
				if n > 1 {
					return respond(r, 200, nil, networkJSON), nil
				}
				h := http.Header{}
				if test.after != nil {
					h.Set("Retry-After", test.after())
				}
				return respond(r, test.status, h, ""), nil
			})
			network, err := client.Network(t.Context())
			if err != nil || network.PrimaryID != "p" || network.RecoveryCount != 1 {
				t.Fatalf("%+v, %v", network, err)
			}
			if waited := time.Since(start); waited < test.min || waited > test.max {
				t.Errorf("%d: waited %s, want %s to %s", test.status, waited, test.min, test.max)
			}
		})
	}
}

func TestAttempts(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		answer func(r *http.Request) (*http.Response, error)
		want   int
	}{
		"broken connection": {func(*http.Request) (*http.Response, error) { return nil, broken }, 5},
		"broken body": {func(r *http.Request) (*http.Response, error) {
			resp := respond(r, 200, nil, networkJSON)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(networkJSON[:9]), errReader{broken}))
			return resp, nil
		}, 5},
	}
	for _, status := range []int{200, 204, 300, 304, 400, 401, 403, 404, 405, 409, 410, 412, 413, 500, 501, 505} {
		want := 1
		tests[fmt.Sprint(status)] = struct {
			answer func(r *http.Request) (*http.Response, error)
			want   int
		}{func(r *http.Request) (*http.Response, error) { return respond(r, status, nil, ""), nil }, want}
	}
	for _, status := range []int{408, 429, 502, 503, 504} {
		tests[fmt.Sprint(status)] = struct {
			answer func(r *http.Request) (*http.Response, error)
			want   int
		}{func(r *http.Request) (*http.Response, error) { return respond(r, status, nil, ""), nil }, 12}
	}
	for name, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			client := canned(t, func(r *http.Request, n int) (*http.Response, error) { calls = n; return test.answer(r) })
			_, err := client.Network(t.Context())
			if err == nil || calls != test.want {
				t.Errorf("%s: %d attempts, want %d; %v", name, calls, test.want, err)
			}
			if strings.HasPrefix(name, "broken") && !errors.Is(err, broken) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

// TestBodyCutAnywhere cuts one answer at every byte; the next is whole.
func TestBodyCutAnywhere(t *testing.T) {
	for at := range len(networkJSON) {
		synctest.Test(t, func(t *testing.T) {
			client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
				resp := respond(r, 200, nil, networkJSON)
				if n == 1 {
					resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(networkJSON[:at]), errReader{io.ErrUnexpectedEOF}))
				}
				return resp, nil
			})
			if network, err := client.Network(t.Context()); err != nil || network.RecoveryCount != 1 {
				t.Errorf("cut at %d: %+v, %v", at, network, err)
			}
		})
	}
}

func TestDeadlines(t *testing.T) {
	t.Run("silent service", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			_, err := client.Network(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	})
	t.Run("slow body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
				resp := respond(r, 200, nil, "")
				resp.Body = io.NopCloser(drip{r.Context()})
				return resp, nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := client.Network(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	})
	t.Run("wait longer than the deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
				return respond(r, 503, http.Header{"Retry-After": {"10"}}, ""), nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			_, err := client.Network(ctx)
			var se *governance.ServiceError
			if !errors.As(err, &se) || se.StatusCode != 503 || time.Since(start) != 0 {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	})
}

// drip gives a byte each second.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	}
}

// committing answers a write, then what it is told about its transaction.
func committing(t *testing.T, id string, statuses ...string) (c *governance.Client, polls *int) {
	polls = new(int)
	return canned(t, func(r *http.Request, n int) (*http.Response, error) {
		if n == 1 {
			h := http.Header{}
			if id != "" {
				h.Set("x-ms-ccf-transaction-id", id)
			}
			return respond(r, 200, h, `{"secretId":"a_name"}`), nil
		}
		if r.URL.Path != "/app/tx" || r.URL.RawQuery != "transaction_id="+id {
			t.Errorf("call %d is %s %s", n, r.Method, r.URL)
		}
		status := statuses[min(*polls, len(statuses)-1)]
		*polls++
		return respond(r, 200, nil, `{"status":"`+status+`","transaction_id":"`+id+`"}`), nil
	}), polls
}

func TestCommit(t *testing.T) {
	tests := []struct {
		name, id string
		statuses []string
		polls    int // 0: many
		err      error
		says     string
	}{
		{"at once", "2.10", []string{"Committed"}, 1, nil, ""},
		{"later", "2.10", []string{"Unknown", "Pending", "Pending", "Committed"}, 4, nil, ""},
		{"lost with the leader", "2.10", []string{"Pending", "Invalid"}, 2, governance.ErrTransactionLost, "transaction 2.10"},
		{"never", "2.10", []string{"Pending"}, 0, governance.ErrNotCommitted, "look for its effect"},
		{"unknown status", "2.10", []string{"Perhaps"}, 1, governance.ErrNotCommitted, `unknown status "Perhaps"`},
		{"no transaction", "", nil, 0, governance.ErrNotCommitted, "the answer names no transaction"},
		{"malformed transaction", "2.10&x=1", nil, 0, governance.ErrNotCommitted, "malformed transaction id"},
		{"half a transaction", "2.", nil, 0, governance.ErrNotCommitted, "malformed transaction id"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				client, polls := committing(t, test.id, test.statuses...)
				id, err := client.Contract("k").PutSecret(t.Context(), "name", "value")
				if test.err == nil && test.says == "" {
					if err != nil || id != "a_name" {
						t.Errorf("%s, %v", id, err)
					}
				} else {
					wantText(t, err, "governance: put secret name of k", test.says)
				}
				if test.err != nil && !errors.Is(err, test.err) {
					t.Errorf("want %v, got %v", test.err, err)
				}
				if test.polls != 0 && *polls != test.polls {
					t.Errorf("%d polls, want %d", *polls, test.polls)
				}
				if waited := time.Since(start); waited > 31*time.Second {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}

func TestCommitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := committing(t, "2.10", "Pending")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := client.Contract("k").PutSecret(ctx, "name", "value")
		wantText(t, err, "transaction 2.10 is executed: the write is not committed yet")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, governance.ErrNotCommitted) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
}

// TestNewNetwork has no state digest before its first signature transaction.
func TestNewNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := ""
		client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
			h := http.Header{"X-Ms-Ccf-Transaction-Id": {"2.1"}}
			switch {
			case strings.HasSuffix(r.URL.Path, "/tx"):
				return respond(r, 200, nil, `{"status":"Committed"}`), nil
			case strings.HasSuffix(r.URL.Path, ":ack"):
				return respond(r, 204, h, ""), nil
			case n < 4:
				return respond(r, 500, nil, `{"error":{"code":"InternalError","message":"Service has no root"}}`), nil
			}
			return respond(r, 200, h, `{"memberId":"`+m+`","stateDigest":"`+strings.Repeat("ab", 32)+`"}`), nil
		})
		m = client.Member().ID()
		if err := client.Activate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRanges(t *testing.T) {
	event := func(seqno int) string {
		return fmt.Sprintf(`{"id":"k","scope":"","seqno":%d,"timestamp":"1716000000000","data":{"n":%d}}`, seqno, seqno)
	}
	latest := `{"value":[` + event(30) + `]}`
	tests := []struct {
		name string
		page func(r *http.Request, n int) *http.Response // of the calls after the first
		says string                                      // empty: events 10 and 30
	}{
		{"not yet loaded", func(r *http.Request, n int) *http.Response {
			if n < 4 {
				return respond(r, 202, http.Header{"Retry-After": {"1"}}, "")
			}
			return respond(r, 200, nil, `{"value":[`+event(10)+`,`+event(30)+`]}`)
		}, ""},
		{"end not yet committed", func(r *http.Request, n int) *http.Response {
			if n < 4 {
				return respond(r, 500, nil, `{"error":{"code":"InternalError","message":"x","details":[{"code":"JSException","message":"Error: End of range must be committed"}]}}`)
			}
			return respond(r, 200, nil, `{"value":[`+event(10)+`,`+event(30)+`]}`)
		}, ""},
		{"two pages, one empty", func(r *http.Request, n int) *http.Response {
			if strings.Contains(r.URL.RawQuery, "from_seqno=1&") {
				return respond(r, 200, nil, `{"value":[],"nextLink":"/app/contracts/k/events?from_seqno=9&to_seqno=30&id=k&scope="}`)
			}
			return respond(r, 200, nil, `{"value":[`+event(10)+`,`+event(30)+`]}`)
		}, ""},
		{"never loaded", func(r *http.Request, _ int) *http.Response { return respond(r, 202, nil, "") }, "still fetching it"},
		{"link to another resource", func(r *http.Request, _ int) *http.Response {
			return respond(r, 200, nil, `{"value":[],"nextLink":"/app/contracts/other/events?from_seqno=9&to_seqno=30"}`)
		}, "the next link leads elsewhere"},
		{"link to another host", func(r *http.Request, _ int) *http.Response {
			return respond(r, 200, nil, `{"value":[],"nextLink":"https://elsewhere.example/app?from_seqno=9&to_seqno=30"}`)
		}, "the next link leads elsewhere"},
		{"link in a circle", func(r *http.Request, _ int) *http.Response {
			return respond(r, 200, nil, `{"value":[],"nextLink":"/app/contracts/k/events?from_seqno=1&to_seqno=30"}`)
		}, "the next link makes no progress"},
		{"link past the end", func(r *http.Request, _ int) *http.Response {
			return respond(r, 200, nil, `{"value":[],"nextLink":"/app/contracts/k/events?from_seqno=9&to_seqno=31"}`)
		}, "the next link makes no progress"},
		{"link without numbers", func(r *http.Request, _ int) *http.Response {
			return respond(r, 200, nil, `{"value":[],"nextLink":"/app/contracts/k/events?from_seqno=0&to_seqno=x"}`)
		}, "is no sequence number"},
		{"event without time", func(r *http.Request, _ int) *http.Response {
			return respond(r, 200, nil, `{"value":[{"seqno":10,"timestamp":"soon"}]}`)
		}, "no number of milliseconds"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
					if n == 1 {
						return respond(r, 200, nil, latest), nil
					}
					return test.page(r, n), nil
				})
				var got []int
				var failure error
				for e, err := range client.Contract("k").Events(t.Context(), nil) {
					if failure = err; err == nil {
						got = append(got, int(e.Seqno))
					}
				}
				if test.says == "" {
					if failure != nil || fmt.Sprint(got) != "[10 30]" {
						t.Errorf("events %v, %v", got, failure)
					}
				} else {
					wantText(t, failure, "governance: read events of k: ", test.says)
				}
				if waited := time.Since(start); waited > 62*time.Second {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}

// TestCommitOfSlowNode: the time that a node takes to say "Pending" counts.
func TestCommitOfSlowNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := canned(t, func(r *http.Request, n int) (*http.Response, error) {
			if n == 1 {
				return respond(r, 200, http.Header{"X-Ms-Ccf-Transaction-Id": {"2.10"}}, `{"secretId":"a_name"}`), nil
			}
			select {
			case <-time.After(20 * time.Second):
				return respond(r, 200, nil, `{"status":"Pending","transaction_id":"2.10"}`), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		start := time.Now()
		_, err := client.Contract("k").PutSecret(t.Context(), "name", "value")
		if !errors.Is(err, governance.ErrNotCommitted) {
			t.Errorf("%v", err)
		}
		if waited := time.Since(start); waited > 31*time.Second {
			t.Errorf("waited %s", waited)
		}
	})
}
