//! Certificates of a test's own, by openssl, and TLS listeners of a broker that have them.

use super::{Directory, Node, free_address};
use std::{
    fs,
    process::{Command, Stdio},
};

/// Used to sign what begins and ends when the test says.
const CONFIGURATION: &str = "[ca]\ndefault_ca = here\n[here]\ndatabase = index\nserial = serial\nnew_certs_dir = .\ndefault_md = sha256
policy = any\n[any]\ncommonName = supplied\n";

/// A certificate authority: `ca.pem`, and what it has certified.
pub struct Authority {
    /// Holds NAME.pem and NAME.key of each certificate.
    pub directory: Directory,
}

impl Authority {
    /// Makes a key and signs it.
    pub fn new() -> Authority {
        let authority = Authority { directory: Directory::new() };
        authority
            .openssl(&format!("req -x509 -days 2 {NEW_KEY} -subj /CN=authority -keyout ca.key -out ca.pem"));
        authority.directory.write("configuration", CONFIGURATION);
        authority.directory.write("index", "");
        authority
    }

    /// Makes NAME.key, and NAME.pem with these names, as in `DNS:localhost,IP:127.0.0.1`; its subject is `CN=NAME`.
    pub fn certify(&self, name: &str, names: &str) {
        self.certify_between(name, names, "20200101000000Z", "20991231000000Z");
    }

    /// [`Authority::certify`] with the begin and the end of its life, as in `20200101000000Z`.
    pub fn certify_between(&self, name: &str, names: &str, begin: &str, end: &str) {
        self.openssl(&format!("req {NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        self.directory.write("names", format!("subjectAltName={names}\n"));
        self.openssl(&format!(
            "ca -batch -notext -config configuration -rand_serial -cert ca.pem -keyfile ca.key -extfile names -startdate {begin} \
             -enddate {end} -in {name}.csr -out {name}.pem"
        ));
    }

    /// Runs openssl in the directory; no argument holds a space.
    pub fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(&self.directory.0).stdin(Stdio::null());
        let output = command
            .output()
            .unwrap_or_else(|e| panic!("this test needs openssl (Debian: apt-get install openssl): {e}"));
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> String {
        self.directory.file(file).to_str().unwrap().to_owned()
    }

    /// Opens a TLS listener of the node, with the certificate NAME and more options of Erlang's `ssl`, as in `,{verify,verify_peer}`. Returns its
    /// address.
    pub fn listen(&self, node: &Node, name: &str, more: &str) -> String {
        let address = free_address();
        let (host, port) = address.split_once(':').unwrap();
        let [ca, certificate, key] =
            ["ca.pem".to_owned(), format!("{name}.pem"), format!("{name}.key")].map(|file| self.path(&file));
        node.eval(&format!(
            "{{ok, _}} = application:ensure_all_started(ssl), ok = rabbit_networking:start_ssl_listener({{\"{host}\", {port}, inet}}, \
             [{{cacertfile,\"{ca}\"}},{{certfile,\"{certificate}\"}},{{keyfile,\"{key}\"}}{more}], 2)."
        ));
        address
    }
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// Lets whoever has the client certificate CN=NAME log in by it (EXTERNAL), with all rights.
pub fn permit_certificate(node: &Node, name: &str) {
    let plugins = node.path.join("enabled_plugins");
    fs::write(&plugins, "[rabbitmq_auth_mechanism_ssl].").unwrap();
    let user = format!("<<\"CN={name}\">>");
    node.eval(&format!(
        "{{ok, _, _}} = rabbit_plugins:ensure(\"{}\"), application:set_env(rabbit, auth_mechanisms, ['PLAIN','AMQPLAIN','EXTERNAL']), \
         application:set_env(rabbit, ssl_options, [{{verify,verify_peer}}]), \
         ok = rabbit_auth_backend_internal:add_user({user}, <<\"none\">>, <<\"test\">>), ok = \
         rabbit_auth_backend_internal:set_permissions({user}, <<\"/\">>, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>).",
        plugins.display()
    ));
}
