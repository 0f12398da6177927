package ccf

import (
	"net/http"
	"strings"
	"unicode/utf16"
)

// maxSecret bounds a secret, in UTF-16 code units.
const maxSecret = 25600

// secretTable holds the values by secretKey.
var secretTable = table[string]("secrets")

// secretKey cannot collide: no path parameter holds a slash.
func secretKey(contractID, secretID string) string { return contractID + "/" + secretID }

// putSecret stores a value under the caller's own prefix. The contract need
// not exist. Without credential the caller must be a clean room.
func (c *call) putSecret() (any, error) {
	body, err := c.json()
	if err != nil {
		return nil, err
	}
	owner := c.caller.id
	if c.caller.kind == "" {
		owner = "cleanroom"
		if body, err = c.roomData(body); err != nil {
			return nil, err
		}
	}
	value, ok := field(body, "value").(string)
	if !ok || value == "" {
		return nil, badRequest("ValueMissing", "Value must be supplied.")
	}
	if len(utf16.Encode([]rune(value))) > maxSecret {
		return nil, badRequest("ValueTooLarge", "Value exceeds the maximum size of 25600 characters.")
	}
	id := owner + "_" + c.params[1]
	secretTable.put(c.tx, secretKey(c.params[0], id), value)
	return obj("secretId", id), nil
}

// roomData verifies a signed-data call of a clean room, whose evidence is
// bound to the encryption key, and returns the data as JSON.
func (c *call) roomData(body any) (any, error) {
	if !truthy(field(body, "attestation")) {
		return nil, errAttestationMissing
	}
	if _, err := c.attestedKey(body, c.params[0]); err != nil {
		return nil, err
	}
	data, err := signedData(body)
	if err != nil {
		return nil, err
	}
	return parseJSON(data)
}

func (c *call) getSecret() (any, error) {
	body, err := c.encryptedCall()
	if err != nil {
		return nil, err
	}
	key, err := c.attestedKey(body, c.params[0], delegate{"secrets", c.params[1]})
	if err != nil {
		return nil, err
	}
	value, ok := secretTable.get(c.tx, secretKey(c.params[0], c.params[1]))
	if !ok {
		return nil, failure(http.StatusNotFound, "SecretNotFound", "A secret with the specified id '"+c.params[1]+"' was not found.")
	}
	return wrapped(key, []byte(value))
}

func (c *call) listSecrets() (any, error) {
	list := []any{}
	for _, key := range secretTable.keys(c.tx) {
		if contractID, id, _ := strings.Cut(key, "/"); contractID == c.params[0] {
			list = append(list, obj("secretId", id))
		}
	}
	return obj("value", list), nil
}
