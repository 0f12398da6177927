package vaultsigner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/internal/check"
)

// refusal is an answer of the vault that is not a success.
type refusal struct {
	op, action   string
	err          *azcore.ResponseError
	code, inner  string
	message, fix string
}

// explain puts the operation before an error, and a remedy after a refusal. The
// action is what the identity must be allowed to do.
func explain(op, action string, err error) error {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s: the vault did not answer in time: %w", op, err)
		}
		return fmt.Errorf("%s: %w", op, err)
	}
	r := &refusal{op: op, action: action, err: resp, code: resp.ErrorCode}
	r.code, r.inner, r.message = body(resp)
	if r.code == "" {
		r.code = resp.ErrorCode
	}
	r.fix = r.remedy()
	return r
}

func (r *refusal) Unwrap() error { return r.err }

func (r *refusal) Error() string {
	s := fmt.Sprintf("%s: the vault answered %d", r.op, r.err.StatusCode)
	if name := strings.TrimSuffix(r.code+" "+r.inner, " "); name != "" {
		s += " " + check.Printable(name)
	}
	if r.message != "" {
		s += ": " + check.Printable(r.message)
	}
	if r.fix != "" {
		s += "\n\tremedy " + r.fix
	}
	return s
}

func (r *refusal) remedy() string {
	switch r.inner {
	case "KeyDisabled":
		return "enable this version of the key"
	case "KeyNotYetValid", "KeyExpired":
		return "change the key's dates, or let a new key join as another member"
	case "KeyOperationForbidden":
		return "allow the operation sign in the key's key_ops"
	}
	switch r.err.StatusCode {
	case http.StatusUnauthorized:
		return "sign in to the tenant of the vault"
	case http.StatusForbidden:
		role := "Key Vault Crypto User"
		if strings.HasPrefix(r.action, "certificates/") {
			role = "Key Vault Certificate User"
		}
		return "give the identity a role with the action Microsoft.KeyVault/vaults/" + r.action + " on this vault, for instance " + role + "; it can take minutes to act"
	case http.StatusNotFound:
		return "check the name and version; a deleted one may be recoverable"
	case http.StatusTooManyRequests:
		return "sign less often, or in another vault: a vault has a limit for all its users"
	}
	return ""
}

// body reads the vault's own words: the code, the code that tells apart, and
// the first line of the message.
func body(resp *azcore.ResponseError) (code, inner, message string) {
	const limit = 64 << 10
	if resp.RawResponse == nil || resp.RawResponse.Body == nil {
		return "", "", ""
	}
	b, err := io.ReadAll(io.LimitReader(resp.RawResponse.Body, limit))
	if err != nil {
		return "", "", ""
	}
	resp.RawResponse.Body = io.NopCloser(strings.NewReader(string(b)))
	var doc struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Inner   struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if json.Unmarshal(b, &doc) != nil {
		return "", "", ""
	}
	message, _, _ = strings.Cut(doc.Error.Message, "\n")
	return shorten(doc.Error.Code), shorten(doc.Error.Inner.Code), shorten(message)
}
