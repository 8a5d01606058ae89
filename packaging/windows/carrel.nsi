; Installer of the app for Windows, for one machine or one user. `cargo xtask bundle --target windows` runs it with
; VERSION (1.2.3), VERSION4 (1.2.3.0), INPUT (folder of the programs), ICON and OUTFILE.
;
; Command line (names in any case):
;   /S                     no window
;   /ALLUSERS, /CURRENTUSER  for the machine (needs an administrator; default with /S as administrator) or the user
;   /SERVER=ADDRESS /TOKEN=CODE /CHANNEL=NAME  written as policies of the machine
;   /P, /R                 by the updater of the app: no window; start the app afterwards
;   /D=FOLDER              the folder; last, without quotes
; Exit codes: 0 done, 2 stopped (no rights, wrong value, newer version installed, app in use).

Target amd64-unicode
Unicode true
SetCompressor /SOLID lzma
RequestExecutionLevel user
Name "Carrel"
OutFile "${OUTFILE}"
BrandingText "Carrel ${VERSION}"
VIProductVersion "${VERSION4}"
VIAddVersionKey ProductName "Carrel"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey FileDescription "Installer of Carrel"
VIAddVersionKey CompanyName "The Carrel authors"
VIAddVersionKey LegalCopyright "The Carrel authors"

!include LogicLib.nsh
!include FileFunc.nsh
!include WordFunc.nsh
!include MUI2.nsh
!include x64.nsh

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\org.carrel.app"
!define POLICIES "Software\Policies\Carrel"
!define PROG_ID "Carrel.Bundle"

Var IsMachine
Var Server
Var Token
Var Channel

!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "French"
!insertmacro MUI_LANGUAGE "Arabic"

LangString NeedsAdministrator ${LANG_ENGLISH} "Installing for all users, and setting a server, code or channel, needs an administrator."
LangString NeedsAdministrator ${LANG_FRENCH} "L’installation pour tous les utilisateurs et le choix d’un serveur, d’un code ou d’un canal exigent un administrateur."
LangString NeedsAdministrator ${LANG_ARABIC} "يتطلب التثبيت لكل المستخدمين، أو تعيين خادم أو رمز أو قناة، مسؤولًا عن الجهاز."
LangString Newer ${LANG_ENGLISH} "A newer version of Carrel is installed. Uninstall it first; the work of learners is kept."
LangString Newer ${LANG_FRENCH} "Une version plus récente de Carrel est installée. Désinstallez-la d’abord ; le travail des élèves est conservé."
LangString Newer ${LANG_ARABIC} "إصدار أحدث من Carrel مثبَّت. أزله أولًا؛ يُحتفظ بعمل المتعلّمين."
LangString InUse ${LANG_ENGLISH} "Carrel is running. Close it, then try again."
LangString InUse ${LANG_FRENCH} "Carrel est ouvert. Fermez-le, puis réessayez."
LangString InUse ${LANG_ARABIC} "Carrel قيد التشغيل. أغلقه ثم حاول مجددًا."
LangString WrongValue ${LANG_ENGLISH} "The server must begin with https:// or http://; the channel is stable, beta or long-term."
LangString WrongValue ${LANG_FRENCH} "Le serveur doit commencer par https:// ou http:// ; le canal est stable, beta ou long-term."
LangString WrongValue ${LANG_ARABIC} "يجب أن يبدأ الخادم بـ https:// أو http://؛ والقناة هي stable أو beta أو long-term."

; Stops with a message, or silently, and exit code 2.
!macro Stop TEXT
  MessageBox MB_OK|MB_ICONSTOP "${TEXT}" /SD IDOK
  SetErrorLevel 2
  Quit
!macroend

; Selects the registry and the start menu of the machine or the user.
!macro UseContext
  SetRegView 64
  ${If} $IsMachine == 1
    SetShellVarContext all
  ${Else}
    SetShellVarContext current
  ${EndIf}
!macroend

; Pops the name of a value, such as `/SERVER=`, and pushes the value of the command line: up to the next space, or in
; quotes. (GetOptions ends a value at each slash.)
Function ReadValue
  Exch $0
  Push $1
  Push $2
  Push $3
  Push $4
  ${GetParameters} $1
  StrLen $2 $0
  StrCpy $3 0
  find:
    StrCpy $4 $1 $2 $3
    ${If} $4 == ""
      StrCpy $0 ""
      Goto done
    ${EndIf}
    ${If} $4 != $0
      IntOp $3 $3 + 1
      Goto find
    ${EndIf}
  IntOp $3 $3 + $2
  StrCpy $1 $1 "" $3
  StrCpy $2 " "
  StrCpy $3 $1 1
  ${If} $3 == '"'
    StrCpy $2 '"'
    StrCpy $1 $1 "" 1
  ${EndIf}
  StrCpy $3 0
  end:
    StrCpy $4 $1 1 $3
    ${If} $4 != ""
    ${AndIf} $4 != $2
      IntOp $3 $3 + 1
      Goto end
    ${EndIf}
  StrCpy $0 $1 $3
  done:
  Pop $4
  Pop $3
  Pop $2
  Pop $1
  Exch $0
FunctionEnd

!macro ReadValue VARIABLE NAME
  Push "${NAME}"
  Call ReadValue
  Pop ${VARIABLE}
!macroend

Function .onInit
  ${IfNot} ${RunningX64}
    !insertmacro Stop "Carrel needs a 64-bit Windows."
  ${EndIf}
  ${GetParameters} $R0
  UserInfo::GetAccountType
  Pop $R1
  ClearErrors
  ${GetOptions} $R0 "/P" $R2
  ${IfNot} ${Errors}
    SetSilent silent
  ${EndIf}
  StrCpy $IsMachine 0
  ${If} $R1 == "Admin"
    StrCpy $IsMachine 1
  ${EndIf}
  ClearErrors
  ${GetOptions} $R0 "/CURRENTUSER" $R2
  ${IfNot} ${Errors}
    StrCpy $IsMachine 0
  ${EndIf}
  ClearErrors
  ${GetOptions} $R0 "/ALLUSERS" $R2
  ${IfNot} ${Errors}
    ${If} $R1 != "Admin"
      !insertmacro Stop "$(NeedsAdministrator)"
    ${EndIf}
    StrCpy $IsMachine 1
  ${EndIf}
  !insertmacro ReadValue $Server "/SERVER="
  !insertmacro ReadValue $Token "/TOKEN="
  !insertmacro ReadValue $Channel "/CHANNEL="
  ; Policies are read from the machine only, where learners cannot write.
  ${If} "$Server$Token$Channel" != ""
  ${AndIf} $IsMachine != 1
    !insertmacro Stop "$(NeedsAdministrator)"
  ${EndIf}
  ${If} $Server != ""
    StrCpy $R3 $Server 8
    StrCpy $R4 $Server 7
    ${If} $R3 != "https://"
    ${AndIf} $R4 != "http://"
      !insertmacro Stop "$(WrongValue)"
    ${EndIf}
  ${EndIf}
  ${If} $Channel != ""
  ${AndIf} $Channel != "stable"
  ${AndIf} $Channel != "beta"
  ${AndIf} $Channel != "long-term"
    !insertmacro Stop "$(WrongValue)"
  ${EndIf}

  !insertmacro UseContext
  ReadRegStr $R5 SHCTX "${UNINSTALL}" "DisplayVersion"
  ${If} $R5 != ""
    ${VersionCompare} $R5 "${VERSION}" $R6
    ${If} $R6 == 1
      !insertmacro Stop "$(Newer)"
    ${EndIf}
  ${EndIf}
  ${If} $INSTDIR == ""
    ReadRegStr $INSTDIR SHCTX "${UNINSTALL}" "InstallLocation"
  ${EndIf}
  ${If} $INSTDIR == ""
    ${If} $IsMachine == 1
      StrCpy $INSTDIR "$PROGRAMFILES64\Carrel"
    ${Else}
      StrCpy $INSTDIR "$LOCALAPPDATA\Programs\Carrel"
    ${EndIf}
  ${EndIf}
FunctionEnd

Section
  !insertmacro UseContext
  SetOutPath "$INSTDIR"
  ; A program that runs cannot be replaced. Checked before any file is written.
  ${If} ${FileExists} "$INSTDIR\carrel.exe"
    ; An app that updates itself ends after it has started the installer: wait for 10 s.
    StrCpy $R1 0
    open:
    ClearErrors
    FileOpen $R0 "$INSTDIR\carrel.exe" a
    ${If} ${Errors}
      ${If} $R1 < 20
        IntOp $R1 $R1 + 1
        Sleep 500
        Goto open
      ${EndIf}
      !insertmacro Stop "$(InUse)"
    ${EndIf}
    FileClose $R0
  ${EndIf}
  File "${INPUT}\carrel.exe"
  File /nonfatal "${INPUT}\WebView2Loader.dll"
  File /oname=carrel.ico "${ICON}"
  File "${INPUT}\LICENSE.txt"
!ifdef LIBRARY
  File /r "${LIBRARY}"
!endif
  WriteUninstaller "$INSTDIR\uninstall.exe"

  WriteRegStr SHCTX "Software\Classes\.carrel" "" "${PROG_ID}"
  WriteRegStr SHCTX "Software\Classes\.carrel" "Content Type" "application/vnd.carrel.bundle"
  WriteRegStr SHCTX "Software\Classes\.carrel\OpenWithProgids" "${PROG_ID}" ""
  WriteRegStr SHCTX "Software\Classes\${PROG_ID}" "" "Carrel file"
  WriteRegStr SHCTX "Software\Classes\${PROG_ID}\DefaultIcon" "" "$INSTDIR\carrel.ico"
  ; After `--` nothing is an option.
  WriteRegStr SHCTX "Software\Classes\${PROG_ID}\shell\open\command" "" '"$INSTDIR\carrel.exe" -- "%1"'
  WriteRegStr SHCTX "Software\Classes\carrel" "" "URL:Carrel"
  WriteRegStr SHCTX "Software\Classes\carrel" "URL Protocol" ""
  WriteRegStr SHCTX "Software\Classes\carrel\DefaultIcon" "" "$INSTDIR\carrel.ico"
  WriteRegStr SHCTX "Software\Classes\carrel\shell\open\command" "" '"$INSTDIR\carrel.exe" -- "%1"'

  ${If} $IsMachine == 1
    ${If} $Server != ""
      WriteRegStr HKLM "${POLICIES}" "ServerAddress" "$Server"
    ${EndIf}
    ${If} $Token != ""
      WriteRegStr HKLM "${POLICIES}" "EnrolmentToken" "$Token"
    ${EndIf}
    ${If} $Channel != ""
      WriteRegStr HKLM "${POLICIES}" "UpdateChannel" "$Channel"
    ${EndIf}
  ${EndIf}

  CreateShortcut "$SMPROGRAMS\Carrel.lnk" "$INSTDIR\carrel.exe" "" "$INSTDIR\carrel.ico"
  WriteRegStr SHCTX "${UNINSTALL}" "DisplayName" "Carrel"
  WriteRegStr SHCTX "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr SHCTX "${UNINSTALL}" "DisplayIcon" "$INSTDIR\carrel.ico"
  WriteRegStr SHCTX "${UNINSTALL}" "Publisher" "The Carrel authors"
  WriteRegStr SHCTX "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr SHCTX "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr SHCTX "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD SHCTX "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD SHCTX "${UNINSTALL}" "NoRepair" 1
  ; The uninstaller removes what was written, from the same place.
  WriteRegDWORD SHCTX "${UNINSTALL}" "IsMachine" $IsMachine
  ${GetSize} "$INSTDIR" "/S=0K" $R0 $R1 $R2
  WriteRegDWORD SHCTX "${UNINSTALL}" "EstimatedSize" $R0
  System::Call 'shell32::SHChangeNotify(i 0x8000000, i 0, p 0, p 0)'
  ${GetParameters} $R0
  ClearErrors
  ${GetOptions} $R0 "/R" $R2
  ${IfNot} ${Errors}
    Exec '"$INSTDIR\carrel.exe"'
  ${EndIf}
SectionEnd

Function un.onInit
  SetRegView 64
  ; The entry whose folder is this one.
  StrCpy $IsMachine 0
  ReadRegStr $R0 HKLM "${UNINSTALL}" "InstallLocation"
  ${If} $R0 == $INSTDIR
    StrCpy $IsMachine 1
    UserInfo::GetAccountType
    Pop $R1
    ${If} $R1 != "Admin"
      !insertmacro Stop "$(NeedsAdministrator)"
    ${EndIf}
  ${EndIf}
  !insertmacro UseContext
  ClearErrors
  FileOpen $R0 "$INSTDIR\carrel.exe" a
  ${If} ${Errors}
  ${AndIf} ${FileExists} "$INSTDIR\carrel.exe"
    !insertmacro Stop "$(InUse)"
  ${EndIf}
  FileClose $R0
FunctionEnd

; The work of learners, in %LOCALAPPDATA%\org.carrel.app of each user, is kept. So are policies, which group policies may
; have written, except the code, which has been used.
Section Uninstall
  !insertmacro UseContext
  Delete "$INSTDIR\carrel.exe"
  Delete "$INSTDIR\WebView2Loader.dll"
  Delete "$INSTDIR\carrel.ico"
  Delete "$INSTDIR\LICENSE.txt"
  RMDir /r "$INSTDIR\demo-library"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\Carrel.lnk"
  DeleteRegKey SHCTX "Software\Classes\${PROG_ID}"
  DeleteRegKey SHCTX "Software\Classes\carrel"
  DeleteRegValue SHCTX "Software\Classes\.carrel\OpenWithProgids" "${PROG_ID}"
  ReadRegStr $R0 SHCTX "Software\Classes\.carrel" ""
  ${If} $R0 == "${PROG_ID}"
    DeleteRegKey SHCTX "Software\Classes\.carrel"
  ${EndIf}
  ${If} $IsMachine == 1
    DeleteRegValue HKLM "${POLICIES}" "EnrolmentToken"
    DeleteRegKey /ifempty HKLM "${POLICIES}"
  ${EndIf}
  DeleteRegKey SHCTX "${UNINSTALL}"
  DetailPrint "The work of learners is kept in the folder org.carrel.app of each user's local application data."
SectionEnd
