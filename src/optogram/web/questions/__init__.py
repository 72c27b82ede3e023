"""What can be asked about networks and photos; importing a module declares its questions."""

from optogram.web.questions import activating as activating
from optogram.web.questions import attention as attention
from optogram.web.questions import colors as colors
from optogram.web.questions import layer as layer
from optogram.web.questions import networks as networks
from optogram.web.questions import patch as patch
from optogram.web.questions import photos as photos
from optogram.web.questions import space as space
from optogram.web.questions import survey as survey
from optogram.web.questions import takeaway as takeaway
from optogram.web.questions import through as through
from optogram.web.questions import two as two
from optogram.web.questions import unit as unit
from optogram.web.questions import why as why
