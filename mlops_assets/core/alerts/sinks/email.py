"""E-mail by SMTP."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

from mlops_assets.core.alerts.message import Message, one_line
from mlops_assets.core.alerts.sinks.outcome import Outcome
from mlops_assets.core.runtime.patience import ask_within

TIMEOUT_SECONDS = 10.0
"""For a connection, and for each answer."""
TOTAL_SECONDS = 20.0
"""For an attempt as a whole, however slowly the answers trickle."""
LONGEST_SUBJECT = 200
"""Characters."""
Security = Literal["starttls", "tls", "plain"]


@dataclass(frozen=True)
class EmailSink:
    """Sends every message as a mail of plain text; mails of one alert stand together in a thread."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    security: Security = "starttls"
    """starttls and tls check the server's certificate and name."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates that are trusted in place of the system's."""

    def send(self, message: Message) -> Outcome:
        """Send one mail to all recipients; one that the server refuses is named by number in the remark."""
        try:
            return ask_within(TOTAL_SECONDS, lambda: self._send(self.mail(message)))
        except TimeoutError:
            return Outcome("down", f"no answer within {TOTAL_SECONDS:g} s")

    def mail(self, message: Message) -> EmailMessage:
        """Return the mail. Headers are of one line: what could end one is replaced; the id makes the Message-ID."""
        mail = EmailMessage(policy=SMTP)
        domain = self.sender.rpartition("@")[2]
        mail["Subject"] = message.title[:LONGEST_SUBJECT]
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        first = f"<{message.alert_id}.1@{domain}>"
        if mail["Message-ID"] != first:
            mail["In-Reply-To"] = mail["References"] = first
        facts = "\n".join(f"{name}: {text}" for name, text in message.facts.items())
        mail.set_content(f"{message.title}\n\n{one_line(message.reason)}\n\n{facts}\n")
        return mail

    def _send(self, mail: EmailMessage) -> Outcome:
        try:
            with self._connected() as server:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                refused = server.send_message(mail, from_addr=self.sender, to_addrs=list(self.recipients))
        except smtplib.SMTPRecipientsRefused:
            return Outcome("down", "the server refuses every recipient")
        except smtplib.SMTPResponseException as error:  # its text can quote the address or the user
            state = "refused" if isinstance(error, smtplib.SMTPDataError) else "down"
            return Outcome(state, f"{type(error).__name__}: SMTP {error.smtp_code}")
        except Exception as error:  # a sink never raises
            return Outcome("down", type(error).__name__)
        told = f"{len(refused)} of {len(self.recipients)} recipients were refused" if refused else ""
        return Outcome("delivered", told)

    def _connected(self) -> smtplib.SMTP:
        if self.security == "plain":
            return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server
