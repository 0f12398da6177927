package governance

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxSecret is the largest secret, in UTF-16 code units as the service counts.
const MaxSecret = 25600

// PutSecret stores a secret for the contract's clean rooms and returns the id
// under which they read it. It replaces an earlier one of the name. No member
// can read it back. The service stores it whatever the state of the contract.
// A value that is too large or empty, and a name that a path cannot carry, are a
// [*ServiceError] that says so, and are not sent.
func (c *ContractClient) PutSecret(ctx context.Context, name string, value string) (id string, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.PutSecret")
	defer end(&err)
	op := c.op("put secret " + name + " of")
	path, err := contractPath(c.id)
	if err != nil {
		return "", err
	}
	if err := checkSecretPut(op, name, value); err != nil {
		return "", err
	}
	req, err := call{op: op, method: http.MethodPut, path: path + "/secrets/" + name}.withJSON(valueDoc{value})
	if err != nil {
		return "", err
	}
	a, _, err := c.c.wire.write(ctx, req)
	if err != nil {
		return "", err
	}
	return a.secretID(op, name)
}

// valueDoc is a secret as it is written, and as a sidecar reads it.
type valueDoc struct {
	Value string `json:"value"`
}

// secretID reads the answer to a secret that was stored under a name. Another id
// than one of that name would make a room read another secret.
func (a *answer) secretID(op, name string) (string, error) {
	var doc struct {
		SecretID string `json:"secretId"`
	}
	if err := a.json(op, &doc); err != nil {
		return "", err
	}
	if err := checkID("secret id", doc.SecretID); err != nil {
		return "", fmt.Errorf("%w, sent by the service for %s", err, op)
	}
	if !strings.HasSuffix(doc.SecretID, "_"+name) {
		return "", fmt.Errorf("governance: %s: the service says that it stored it as %q; is it of release 8.0.0?", op, doc.SecretID)
	}
	return doc.SecretID, nil
}

// checkSecretPut refuses what the service would refuse, and names that a path
// would change.
func checkSecretPut(op, name, value string) error {
	if err := checkID("secret name", name); err != nil {
		e := notSent(op, "InvalidResourceName", strings.TrimPrefix(err.Error(), "governance: "))
		e.Remedy = "choose a name of A-Z a-z 0-9 . _ ~ : - that has at most 256 bytes"
		return e
	}
	return checkSecret(op, value)
}

// checkSecret never puts the value into an error.
func checkSecret(op, value string) error {
	if value == "" {
		return notSent(op, "ValueMissing", "the value is empty")
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("governance: %s: the value is not valid UTF-8; encode it, for instance in base64", op)
	}
	n := 0
	for _, r := range value {
		n += utf16.RuneLen(r)
	}
	if n > MaxSecret {
		return notSent(op, "ValueTooLarge", fmt.Sprintf("the value has %d UTF-16 units, more than %d", n, MaxSecret))
	}
	return nil
}

// Secrets lists the ids of the contract's secrets.
func (c *ContractClient) Secrets(ctx context.Context) (_ []string, err error) {
	ctx, end := c.c.wire.tracer.Start(ctx, "Contract.Secrets")
	defer end(&err)
	path, err := contractPath(c.id)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Value []struct {
			SecretID string `json:"secretId"`
		} `json:"value"`
	}
	if err := c.c.wire.get(ctx, c.op("list secrets of"), path+"/secrets", &doc); err != nil {
		return nil, err
	}
	ids := make([]string, len(doc.Value))
	for i, v := range doc.Value {
		ids[i] = v.SecretID
	}
	return ids, nil
}
