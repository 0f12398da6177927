// Package entra emulates the token authority of Microsoft Entra as far as
// clients with their own credentials need it: discovery, and the client
// credentials grant with a secret or with the assertion of a federated issuer.
package entra
