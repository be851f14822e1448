(component (import "url=<https://a\1b[2J\07/>" (func)) (import "integrity=<sha256-YWJj>" (func)))
