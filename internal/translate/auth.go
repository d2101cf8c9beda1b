package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
)

// secretObject looks up the Secret that an annotation names and remembers the
// use; wrong says why there is none.
func (c *compilation) secretObject(name string) (object *corev1.Secret, wrong string) {
	if !strings.Contains(name, "/") {
		name = c.name.Namespace + "/" + name
	}
	full, wrong := c.referenced("Secret", name)
	if wrong != "" {
		return nil, wrong
	}
	object = c.v.Secrets[full]
	c.secrets = append(c.secrets, secretUse{full, object})
	if object == nil {
		return nil, fmt.Sprintf("there is no Secret %q in namespace %q", full.Name, full.Namespace)
	}
	return object, ""
}

// compileBasicAuth reads the users of basic or digest authentication. Without
// them the routes are closed (ingress-nginx §1.4).
func (c *compilation) compileBasicAuth() {
	a := &c.values.Auth
	if a.Type == "" {
		return
	}
	if a.Secret == "" {
		c.denied = 503
		if !c.writes("auth-secret") { // else it is reported as what it is
			c.deny("auth-type", "auth-secret is missing: it has to name a Secret with the users")
		}
		return
	}
	object, wrong := c.secretObject(a.Secret)
	if wrong != "" {
		c.deny("auth-secret", wrong)
		return
	}
	auth := &ir.BasicAuth{Realm: a.Realm, Digest: a.Type == "digest", Secret: store.NameOf(object).Namespace + "/" + object.Name}
	if a.Map {
		auth.Users = usersOfMap(object)
	} else {
		file := secretKey(object, "auth")
		if file == nil || len(file) == 0 && !hasKey(object, "auth") {
			c.deny("auth-secret", fmt.Sprintf("Secret %q has no key \"auth\" with the lines of an htpasswd file", auth.Secret))
			return
		}
		auth.Users = usersOfFile(string(file))
	}
	c.checkUsers(auth)
	sum := sha256.New()
	for _, u := range auth.Users {
		fmt.Fprintf(sum, "%q %q\n", u.Name, u.Hash)
	}
	auth.Fingerprint = hex.EncodeToString(sum.Sum(nil))
	c.values.BasicAuth = auth
}

func hasKey(s *corev1.Secret, key string) bool {
	_, data := s.Data[key]
	_, text := s.StringData[key]
	return data || text
}

// usersOfFile reads "name:hash[:comment]" lines, or "name:realm:hash" for
// digest. Lines that are empty or begin with "#" are none.
func usersOfFile(text string) (users []ir.User) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		name, hash, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		users = append(users, ir.User{Name: name, Hash: strings.TrimRight(hash, " \t")})
	}
	return users
}

func usersOfMap(s *corev1.Secret) (users []ir.User) {
	values := make(map[string]string, len(s.Data)+len(s.StringData))
	for name, value := range s.Data {
		values[name] = string(value)
	}
	maps.Copy(values, s.StringData)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		users = append(users, ir.User{Name: name, Hash: strings.TrimSpace(values[name])})
	}
	return users
}

// hashForms are what hashes begin with that can be checked.
var hashForms = []string{"$2a$", "$2b$", "$2x$", "$2y$", "$apr1$", "$1$", "$5$", "$6$", "{SHA}", "{SSHA}", "{PLAIN}"}

// isDES recognises what crypt makes without a prefix: two characters of salt and
// eleven of the rest.
func isDES(hash string) bool {
	return len(hash) == 13 && !strings.ContainsFunc(hash, func(r rune) bool {
		return r != '.' && r != '/' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// Checks of passwords take turns with those of all other namespaces, so that none
// may take longer than about a second.
const (
	maxBcryptCost  = 14
	maxCryptRounds = 1_000_000 // some tools write 656,000
)

// tooCostly reports that a hash wants more work for each try than is done.
func tooCostly(hash string) bool {
	if rest, ok := strings.CutPrefix(hash, "$2"); ok {
		if len(rest) < len("y$10") {
			return false
		}
		cost, err := strconv.Atoi(rest[2:4])
		return err == nil && cost > maxBcryptCost
	}
	for _, form := range []string{"$5$rounds=", "$6$rounds="} {
		if rest, ok := strings.CutPrefix(hash, form); ok {
			digits, _, _ := strings.Cut(rest, "$")
			rounds, err := strconv.Atoi(digits)
			return err != nil || rounds > maxCryptRounds
		}
	}
	return false
}

// checkUsers reports users who can never pass.
func (c *compilation) checkUsers(auth *ir.BasicAuth) {
	field := annotation.Field(c.t.options.AnnotationsPrefix + "/auth-secret")
	if len(auth.Users) == 0 {
		c.report(annotation.CodeUsers, ir.SeverityWarning, field, "Secret %q holds no user: every request gets 401", auth.Secret)
		return
	}
	var formless, elsewhere, des, costly names
	for i := range auth.Users {
		u := &auth.Users[i]
		if auth.Digest {
			if realm, _, ok := strings.Cut(u.Hash, ":"); !ok || realm != auth.Realm {
				elsewhere.add(u.Name)
			}
			continue
		}
		u.Hash, _, _ = strings.Cut(u.Hash, ":") // a comment may follow
		if isDES(u.Hash) {
			des.add(u.Name)
			continue
		}
		if tooCostly(u.Hash) {
			costly.add(u.Name)
			u.Hash = ""
			continue
		}
		if !slices.ContainsFunc(hashForms, func(form string) bool { return strings.HasPrefix(u.Hash, form) }) {
			formless.add(u.Name)
		}
	}
	if elsewhere.count > 0 {
		c.report(annotation.CodeUsers, ir.SeverityWarning, field,
			"Secret %q: %v has no line for the realm %q, so nobody can log in as that user: write name:realm:hash, as htdigest does", auth.Secret, &elsewhere, auth.Realm)
	}
	if des.count > 0 {
		c.report(annotation.CodeUsers, ir.SeverityWarning, field,
			"Secret %q: the hash of %v is crypt with DES, which reads eight characters of a password only and is not accepted, so nobody can log in as that user: make a new one with htpasswd -B", auth.Secret, &des)
	}
	if costly.count > 0 {
		c.report(annotation.CodeUsers, ir.SeverityWarning, field,
			"Secret %q: the hash of %v takes too long to check, so nobody can log in as that user: the cost of bcrypt is at most %d, the rounds of crypt %d", auth.Secret, &costly, maxBcryptCost, maxCryptRounds)
	}
	if formless.count > 0 {
		c.report(annotation.CodeUsers, ir.SeverityWarning, field,
			"Secret %q: the hash of %v has no known form, so nobody can log in as that user: use bcrypt (htpasswd -B), apr1, SHA or crypt with $5$ or $6$", auth.Secret, &formless)
	}
}

// maxNames bounds the users that one problem names: a Secret that is no list of
// users at all must not become thousands of problems and Events.
const maxNames = 3

// names lists the first of many users.
type names struct {
	first []string
	count int
}

func (n *names) add(name string) {
	if n.count++; n.count <= maxNames {
		n.first = append(n.first, fmt.Sprintf("%.40q", name))
	}
}

func (n *names) String() string {
	switch more := n.count - len(n.first); {
	case n.count == 1:
		return "user " + n.first[0]
	case more > 0:
		return fmt.Sprintf("each of the users %s and %d more", strings.Join(n.first, ", "), more)
	}
	return "each of the users " + strings.Join(n.first, ", ")
}
