package dbsecret_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

const passwordJSON = `{"clientId":"11111111-1111-1111-1111-111111111111","tenantId":"22222222-2222-2222-2222-222222222222",` +
	`"kid":"db-password","akvEndpoint":"https://publisher.vault.azure.net",` +
	`"kek":{"kid":"publisher-kek","akvEndpoint":"https://publisher.vault.azure.net","maaEndpoint":"https://sharedneu.neu.attest.azure.net"}}`

// document is JSON with these members besides a good password.
func document(members string) string { return `{` + members + `,"dbPassword":` + passwordJSON + `}` }

const plain = `"dbEndpoint":"db.example.com","dbName":"test_data","dbUser":"user"`

func TestParse(t *testing.T) {
	base := dbsecret.Document{Endpoint: "db.example.com", Name: "test_data", User: "user", Password: passwordRef()}
	change := func(f func(*dbsecret.Document)) dbsecret.Document {
		d := base
		f(&d)
		return d
	}
	b64 := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		name, value string
		want        dbsecret.Document
	}{
		{"as others write it", document(plain), base},
		{"base64", b64([]byte(document(plain))), base},
		{"base64 with a line feed", b64([]byte(document(plain))) + "\r\n", base},
		{"blanks around", "\n\t" + document(plain) + " \n", base},
		{"order", `{"dbPassword":` + passwordJSON + `,"dbUser":"user",` + "\n" + `"dbName":"test_data","dbEndpoint":"db.example.com"}`, base},
		{"trailing slash of a vault", strings.ReplaceAll(document(plain), `vault.azure.net"`, `vault.azure.net/"`), base},
		{"port", document(plain + `,"dbPort":5433`), change(func(d *dbsecret.Document) { d.Port = 5433 })},
		{"address", document(plain + `,"dbIP":"192.0.2.7"`), change(func(d *dbsecret.Document) { d.IP = "192.0.2.7" })},
		{"IPv6 address", document(plain + `,"dbIP":"[2001:DB8::7]"`), change(func(d *dbsecret.Document) { d.IP = "2001:db8::7" })},
		{"mode", document(plain + `,"sslMode":"require"`), change(func(d *dbsecret.Document) { d.SSLMode = "require" })},
		{"null is absent", document(plain + `,"dbPort":null,"dbIP":null,"sslMode":null,"sslRootCert":null`), base},
		{"empty is absent", document(plain + `,"dbIP":"","sslMode":"","sslRootCert":""`), base},
		{"unknown members", document(plain + `,"dbKind":"postgres","x":{"dbName":1}`), change(func(d *dbsecret.Document) {
			d.Unknown = map[string]json.RawMessage{"dbKind": json.RawMessage(`"postgres"`), "x": json.RawMessage(`{"dbName":1}`)}
		})},
		{"capitals and dot", document(strings.Replace(plain, "db.example.com", "DB.Example.COM.", 1)), base},
		{"URL", document(strings.Replace(plain, "db.example.com", "postgres://db.example.com:5433/", 1)), change(func(d *dbsecret.Document) { d.Port = 5433 })},
		{"IPv6 endpoint", document(strings.Replace(plain, "db.example.com", "[2001:db8::1]:5433", 1)), change(func(d *dbsecret.Document) { d.Endpoint, d.Port = "2001:db8::1", 5433 })},
		{"escapes", document(`"dbEndpoint":"db.example.com","dbName":"a\"b\\c","dbUser":"\u00fcser x"`), change(func(d *dbsecret.Document) { d.Name, d.User = `a"b\c`, "üser x" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := dbsecret.Parse([]byte(c.value))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
			value, err := got.Encode()
			if err != nil {
				t.Fatal(err)
			}
			again, err := dbsecret.Parse([]byte(value))
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("encoded and parsed again: %+v, %v", again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"nothing", "", "empty"},
		{"blanks", " \n", "empty"},
		{"neither form", "db.example.com", "neither a JSON object nor base64"},
		{"base64 of text", "aGVsbG8=", "no JSON object"},
		{"an array", `[]`, "neither"},
		{"truncated", document(plain)[:60], "no JSON object"},
		{"text behind", document(plain) + "x", "no JSON object"},
		{"a comment", "{/* the database */" + document(plain)[1:], "no JSON object"},
		{"not UTF-8", "{\"dbName\":\"\xff\"}", "UTF-8"},
		{"base64 of not UTF-8", base64.StdEncoding.EncodeToString([]byte{'{', 0xff, '}'}), "UTF-8"},
		{"too long", `{"x":"` + strings.Repeat("x", dbsecret.MaxValue) + `"}`, "25600"},
		{"too deep", document(plain + `,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)), "deeper"},
		{"a member twice", document(plain + `,"dbUser":"other"`), `"dbUser" occurs twice`},
		{"a nested member twice", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, `"kek":{`, `"kek":{"kid":"other",`, 1) + `}`, `"dbPassword.kek.kid" occurs twice`},
		{"other case", document(strings.Replace(plain, "dbName", "dbname", 1)), "dbName is missing"},
		{"no endpoint", document(`"dbName":"d","dbUser":"u"`), "dbEndpoint is missing"},
		{"no user", document(`"dbEndpoint":"h","dbName":"d"`), "dbUser is missing"},
		{"no password", `{` + plain + `}`, "dbPassword is missing"},
		{"null password", `{` + plain + `,"dbPassword":null}`, "dbPassword is missing"},
		{"the password itself", `{` + plain + `,"dbPassword":"canary"}`, "never the password itself"},
		{"password without key", `{` + plain + `,"dbPassword":{"kid":"x","akvEndpoint":"https://v.vault.azure.net"}}`, "dbPassword"},
		{"endpoint a number", document(strings.Replace(plain, `"db.example.com"`, `5`, 1)), "dbEndpoint is of type number"},
		{"port text", document(plain + `,"dbPort":"5432"`), "dbPort is of type string"},
		{"port 0", document(plain + `,"dbPort":0`), "1 to 65535"},
		{"port negative", document(plain + `,"dbPort":-1`), "1 to 65535"},
		{"port too large", document(plain + `,"dbPort":65536`), "1 to 65535"},
		{"port broken", document(plain + `,"dbPort":5432.5`), "whole number"},
		{"port huge", document(plain + `,"dbPort":1e30`), "whole number"},
		{"port and port", document(strings.Replace(plain, "db.example.com", "db.example.com:5433", 1) + `,"dbPort":5432`), "another port"},
		{"address a name", document(plain + `,"dbIP":"db.example.com"`), "no IP address"},
		{"address with zone", document(plain + `,"dbIP":"fe80::1%eth0"`), "no IP address"},
		{"user information", document(strings.Replace(plain, "db.example.com", "postgres://user:canary@db.example.com", 1)), "user information"},
		{"a connection URL", document(strings.Replace(plain, "db.example.com", "postgres://db/test?user=u&password=canary", 1)), "connection string"},
		{"a connection string", document(strings.Replace(plain, "db.example.com", "host=db password=canary", 1)), "connection string"},
		{"one with a port", document(strings.Replace(plain, "db.example.com", "host=db password=canary:5432", 1) + `,"dbPort":5433`), "another port"},
		{"a port that is none", document(strings.Replace(plain, "db.example.com", "db:canary", 1)), "no valid port"},
		{"a zone", document(strings.Replace(plain, "db.example.com", "fe80::1%canary", 1)), "a zone"},
		{"colons", document(strings.Replace(plain, "db.example.com", "u:canary:db", 1)), "a colon"},
		{"no ASCII", document(strings.Replace(plain, "db.example.com", "cänary-canary", 1)), "xn--"},
		{"other characters", document(strings.Replace(plain, "db.example.com", "canary!", 1)), "63 letters"},
		{"address a password", document(plain + `,"dbIP":"canary"`), "no IP address"},
		{"mode a password", document(plain + `,"sslMode":"canary"`), "verify-full"},
		{"reference a password", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, "db-password", "canary p@ss", 1) + `}`, "kid has no valid name"},
		{"version a password", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, "db-password", "x/canary p@ss", 1) + `}`, "kid has no valid version"},
		{"client a password", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, "11111111-1111-1111-1111-111111111111", "canary p@ss", 1) + `}`, "clientId"},
		{"vault a password", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, "https://publisher.vault", "https://u:canary@publisher.vault", 1) + `}`, "akvEndpoint"},
		{"kek a password", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, "publisher-kek", "canary p@ss", 1) + `}`, "kid has no valid name"},
		{"other case in the password", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, `"kid":"db-password"`, `"kid":"db-password","KID":"canary"`, 1) + `}`, `"KID" is not known`},
		{"other case in the kek", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, `"kek":{`, `"kek":{"KID":"canary",`, 1) + `}`, `"KID" is not known`},
		{"unknown in the password", `{` + plain + `,"dbPassword":` + strings.Replace(passwordJSON, `"kek":{`, `"value":"canary","kek":{`, 1) + `}`, `"value" is not known`},
		{"two hosts", document(strings.Replace(plain, "db.example.com", "a.example.com,b.example.com", 1)), "neither a host name"},
		{"a socket", document(strings.Replace(plain, "db.example.com", "/var/run/postgresql", 1)), "neither a host name"},
		{"abstract socket", document(strings.Replace(plain, "db.example.com", "@socket", 1)), "user information"},
		{"path in the endpoint", document(strings.Replace(plain, "db.example.com", "db.example.com/other", 1)), "neither a host name"},
		{"blank in the endpoint", document(strings.Replace(plain, "db.example.com", "db example", 1)), "neither a host name"},
		{"line feed in the endpoint", document(strings.Replace(plain, "db.example.com", `db\nexample`, 1)), "neither a host name"},
		{"name too long", document(strings.Replace(plain, "test_data", strings.Repeat("x", 64), 1)), "64 bytes"},
		{"name with NUL", document(strings.Replace(plain, "test_data", `a\u0000b`, 1)), "NUL"},
		{"unknown mode", document(plain + `,"sslMode":"prefer"`), "verify-full"},
		{"root no PEM", document(plain + `,"sslRootCert":"/etc/ssl/root.crt"`), "not a file name"},
		{"root no certificate", document(plain + `,"sslRootCert":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"`), "cannot be read"},
		{"root with a key", document(plain + `,"sslRootCert":"-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"`), "only certificates"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dbsecret.Parse([]byte(c.value))
			wantError(t, err, "dbsecret: document: ", c.want)
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error quotes a secret: %v", err)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	ca, err := testpki.New("database")
	if err != nil {
		t.Fatal(err)
	}
	doc := &dbsecret.Document{Endpoint: "DB.example.com", Name: "test_data", User: "user", SSLRootCert: string(ca.RootPEM()), Password: passwordRef(),
		Unknown: map[string]json.RawMessage{"b": json.RawMessage(`{ "x" : 1 }`), "a": json.RawMessage(`"y"`)}}
	value, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"dbEndpoint":"db.example.com","dbName":"test_data","dbUser":"user","sslRootCert":%q,"dbPassword":%s,"a":"y","b":{"x":1}}`, ca.RootPEM(), passwordJSON)
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	for range 20 {
		if again, err := doc.Encode(); err != nil || again != value {
			t.Fatal("the same document gave another text")
		}
	}
	if doc.Endpoint != "DB.example.com" {
		t.Error("Encode changed the document")
	}

	// The limit is that of the encoded form.
	doc.SSLRootCert = strings.Repeat(doc.SSLRootCert, dbsecret.MaxValue/len(doc.SSLRootCert))
	_, err = doc.Encode()
	wantError(t, err, "25600", "sslRootCert")

	doc = &dbsecret.Document{Endpoint: "h", Name: "d", User: "u", Password: passwordRef()}
	doc.Unknown = map[string]json.RawMessage{"dbPort": json.RawMessage("1")}
	_, err = doc.Encode()
	wantError(t, err, "dbPort", "set the field")
	doc.Unknown = map[string]json.RawMessage{"x": json.RawMessage("{")}
	_, err = doc.Encode()
	wantError(t, err, `"x"`)
	doc.Unknown, doc.User = nil, ""
	if _, err = doc.Encode(); err == nil || doc.Validate() == nil {
		t.Error("an invalid document was encoded")
	}
}

// FuzzParse holds that whatever parses is valid and survives being encoded, and
// that no input makes it panic.
func FuzzParse(f *testing.F) {
	ca, err := testpki.New("database")
	if err != nil {
		f.Fatal(err)
	}
	root, err := json.Marshal(string(ca.RootPEM()))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		document(plain), base64.StdEncoding.EncodeToString([]byte(document(plain))),
		document(plain + `,"dbPort":5433,"dbIP":"192.0.2.1","sslMode":"disable"`),
		document(plain + `,"sslRootCert":` + string(root)), document(plain + `,"x":[1,{"y":null}]`),
		document(strings.Replace(plain, "db.example.com", "postgres://[2001:db8::1]:5433/", 1)),
		`{}`, `{"dbPassword":"x"}`, `{"a":1,"a":2}`, "[", "e30=", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		d, err := dbsecret.Parse(value)
		if err != nil {
			if d != nil {
				t.Fatal("a document with an error")
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		encoded, err := d.Encode()
		if err != nil {
			if !strings.Contains(err.Error(), fmt.Sprint(dbsecret.MaxValue)) { // base64 is longer
				t.Fatal(err)
			}
			return
		}
		again, err := dbsecret.Parse([]byte(encoded))
		if err != nil {
			t.Fatal(err)
		}
		twice, err := again.Encode()
		if err != nil || twice != encoded {
			t.Fatalf("%s\nbecame %s, %v", encoded, twice, err)
		}
	})
}
