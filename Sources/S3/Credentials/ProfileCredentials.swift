import Basics

/// The credentials of a profile in the AWS files: keys, a program's, or those of a role assumed with other credentials.
struct ProfileCredentials {
    let configuration: S3Configuration
    private static let mostProfiles = 8

    init(_ configuration: S3Configuration) {
        self.configuration = configuration
    }

    /// - Parameter name: nil for the default profile, which need not exist.
    /// - Returns: nil for a profile without any settings for credentials.
    func find(_ name: String?) throws -> Credentials? {
        try find(name, from: [])
    }

    /// - Parameter earlier: the profiles that led here, in order.
    private func find(_ name: String?, from earlier: [String]) throws -> Credentials? {
        let files = try configuration.profiles.credentialSettings(of: name)
        let all = files.reduce(into: [String: String]()) { all, file in all.merge(file) { first, _ in first } }
        let profile = name ?? "default"
        if let arn = all["role_arn"] { return try assume(arn, all, files, path: earlier + [profile]) }
        return try withoutRole(files, profile)
    }

    private func shown(_ profile: String) -> String {
        Display.text(profile, limit: 100)
    }

    /// The profile's credentials if it does not assume a role.
    private func withoutRole(_ files: [[String: String]], _ profile: String) throws -> Credentials? {
        let shown = shown(profile)
        for settings in files {
            if let accessKey = settings["aws_access_key_id"] {
                guard let secretKey = settings["aws_secret_access_key"] else {
                    throw IcecoreError(.forbidden, "profile '\(shown)' has an access key but no secret access key")
                }
                return Credentials(
                    accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken: settings["aws_session_token"])
            }
            if let command = settings["credential_process"] {
                return try CredentialProcess(
                    command: command, profile: shown, environment: configuration.environment
                ).run()
            }
            if ["sso_session", "sso_start_url", "sso_account_id"].contains(where: { settings[$0] != nil }) {
                throw Self.unsupported(shown, "uses single sign-on")
            }
            if settings["login_session"] != nil {
                throw Self.unsupported(shown, "was made by 'aws login' (login_session)")
            }
        }
        return nil
    }

    /// For a kind of profile that only `aws` itself can use.
    private static func unsupported(_ profile: String, _ what: String) -> IcecoreError {
        IcecoreError(
            .unsupported,
            "profile '\(profile)' \(what), which Icecore does not support; give it another profile with "
                + "'credential_process = aws configure export-credentials --profile \(profile) --format process'")
    }

    private func assume(
        _ arn: String, _ settings: [String: String], _ files: [[String: String]], path: [String]
    ) throws -> Credentials {
        let profile = path.last ?? "default"
        let shown = shown(profile)
        if settings["mfa_serial"] != nil {
            throw Self.unsupported(shown, "requires a code from an MFA device (mfa_serial)")
        }
        var role = SecurityTokenService.Role(
            arn: arn, sessionName: settings["role_session_name"] ?? Self.sessionName,
            externalId: settings["external_id"])
        if let text = settings["duration_seconds"] {
            guard let seconds = Int(text), (900...43200).contains(seconds) else {
                throw IcecoreError(.usage, "duration_seconds of profile '\(shown)' must be from 900 to 43200")
            }
            role.durationSeconds = seconds
        }
        let service = try SecurityTokenService(configuration, settings: settings)
        if let file = settings["web_identity_token_file"] {
            return try service.assume(role, webIdentityToken: token(file))
        }
        return try service.assume(role, with: source(settings, files, path: path))
    }

    /// The credentials with which the profile's role is assumed.
    private func source(
        _ settings: [String: String], _ files: [[String: String]], path: [String]
    ) throws -> Credentials {
        let profile = path.last ?? "default"
        let shown = shown(profile)
        if settings["source_profile"] != nil, settings["credential_source"] != nil {
            throw IcecoreError(.usage, "profile '\(shown)' has both source_profile and credential_source; remove one")
        }
        let found: Credentials?
        let origin: String
        if let source = settings["source_profile"] {
            origin = "profile '\(self.shown(source))'"
            if source == profile {
                // Its own keys serve to assume its role.
                found = try withoutRole(files, profile)
            } else if path.contains(source) {
                let loop = (path + [source]).map { "'\(self.shown($0))'" }.joined(separator: " from ")
                throw IcecoreError(.usage, "the profiles take their credentials in a circle: \(loop)")
            } else if path.count >= Self.mostProfiles {
                throw IcecoreError(
                    .usage,
                    "profile '\(self.shown(path[0]))' takes its credentials from a chain of more than "
                        + "\(Self.mostProfiles) profiles")
            } else {
                found = try find(source, from: path)
            }
        } else if let place = settings["credential_source"] {
            origin = "credential_source \(Display.text(place, limit: 100))"
            let metadata = MetadataCredentials(configuration)
            switch place.lowercased() {
            case "environment": found = try EnvironmentCredentials.find(configuration.environment)
            case "ecscontainer": found = try metadata.fromContainer()
            case "ec2instancemetadata": found = try metadata.fromInstance()
            default:
                throw IcecoreError(
                    .usage,
                    "credential_source of profile '\(shown)' must be Environment, Ec2InstanceMetadata or EcsContainer")
            }
        } else {
            throw IcecoreError(
                .usage,
                "profile '\(shown)' names a role, but neither source_profile nor credential_source to assume it with")
        }
        guard let found else {
            throw IcecoreError(
                .forbidden, "\(origin) has no credentials, which the role of profile '\(shown)' needs")
        }
        guard found.isPlausible else {
            throw IcecoreError(.forbidden, "the credentials of \(origin) contain invalid characters")
        }
        return found
    }

    // MARK: - Web identities

    /// Those of the role for an identity provider's token (Kubernetes); nil if the environment names none.
    func fromWebIdentity() throws -> Credentials? {
        func setting(_ name: String) -> String? { configuration.environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        guard let file = setting("AWS_WEB_IDENTITY_TOKEN_FILE"), let arn = setting("AWS_ROLE_ARN") else { return nil }
        let role = SecurityTokenService.Role(
            arn: arn, sessionName: setting("AWS_ROLE_SESSION_NAME") ?? Self.sessionName)
        return try SecurityTokenService(configuration, settings: configuration.settings).assume(
            role, webIdentityToken: token(file))
    }

    /// Read on every use, because the token in the file is renewed.
    private func token(_ name: String) throws -> String {
        let path = S3Configuration.file(name, configuration.environment)
        var token = String(decoding: try Files.read(path, limit: 65536), as: UTF8.self)
        while token.last?.isWhitespace == true { token.removeLast() }
        guard !token.isEmpty else {
            throw IcecoreError(.forbidden, "the web identity token file '\(Display.text(path, limit: 300))' is empty")
        }
        return token
    }

    private static var sessionName: String { "icecore-\(Timestamp.now().milliseconds / 1000)" }
}
